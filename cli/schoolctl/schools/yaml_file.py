"""Read YAML the strict way that both PyYAML and Ansible agree on."""

from pathlib import Path
from typing import Any

import yaml

from schoolctl.errors import DeclarationError

# The same loader in C where PyYAML was built with it: ten times faster.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _UniqueKeyLoader(_Loader):  # type: ignore[misc]
    """Refuse a key that stands twice: PyYAML would silently keep the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key `{key}` stands twice", key_node.start_mark
                )
            seen.add(key)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return mapping


def read_mapping(path: Path, key: str) -> dict[str, Any]:
    """Return the mapping under the one top-level `key` of a YAML file; an empty value is an empty mapping.

    Raises DeclarationError if the file is missing, is no YAML, or holds something else.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DeclarationError(
            f"Could not read {path.name}",
            because=f"{path} does not exist",
            hint="choose an inventory with --env, or make one with `schoolctl init`",
        ) from None
    except (OSError, UnicodeDecodeError) as fault:
        raise DeclarationError(f"Could not read {path.name}", because=f"{path}: {fault}") from None
    try:
        document = yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as fault:
        raise DeclarationError(f"Could not read {path.name}", because=f"it is not valid YAML: {fault}") from None
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise DeclarationError(f"Could not read {path.name}", because="it must be a mapping")
    for name in document:
        if name != key:
            raise DeclarationError(
                f"Could not read {path.name}", because=f"{path.name}: {name}: unknown key, only `{key}` belongs here"
            )
    value = document.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise DeclarationError(f"Could not read {path.name}", because=f"{path.name}: {key}: must be a mapping")
    return value
