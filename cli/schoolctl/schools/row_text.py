"""Change values in the text of a YAML mapping: what nobody asked to change keeps every byte, comments too."""

from collections.abc import Mapping, Sequence
from textwrap import indent
from typing import Any

import yaml

from schoolctl.errors import DeclarationError

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def with_values(text: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Return the text of a mapping, that says `before`, so that it says `after`.

    Raises DeclarationError where that cannot be done without a touch on something else.
    """
    if before == after:
        return text
    if text and not text.endswith("\n"):
        text += "\n"
    root = yaml.compose(text, Loader=_Loader)
    edit = _Edit(text)
    if isinstance(root, yaml.MappingNode):
        edit.mapping(root, before, after)
    else:
        edit.insert(len(text), _block(after))
    return edit.result()


class _Edit:
    """Pieces of a text, and what shall stand in their place."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._pieces: list[tuple[int, int, str]] = []

    def result(self) -> str:
        """Return the text with every piece replaced."""
        parts, place = [], 0
        newline = "\r\n" if "\r\n" in self._text else "\n"
        for start, end, new in sorted(self._pieces, key=lambda piece: piece[:2]):
            parts += [self._text[place:start], new.replace("\n", newline)]
            place = end
        return "".join([*parts, self._text[place:]])

    def insert(self, place: int, new: str) -> None:
        """Put a text in."""
        self._pieces.append((place, place, new))

    def mapping(self, node: yaml.MappingNode, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """Change the entries that differ; None is no entry. New ones come last."""
        entries = {key.value: (key, value) for key, value in node.value}
        if node.flow_style:
            names = [*(name for name in entries if name in after), *(name for name in after if name not in entries)]
            self._replace(node, _flow({name: after[name] for name in names if after[name] is not None}))
            return
        added = {}
        for name in {**before, **after}:
            old, new = before.get(name), after.get(name)
            if old == new:
                continue
            if name in entries:
                self._entry(*entries[name], old, new)
            elif new is not None:
                added[name] = new
        if added:
            column = node.start_mark.column
            self.insert(self._line_end(self._end(node)), indent(_block(added), " " * column))

    def _entry(self, key: yaml.Node, value: yaml.Node, old: Any, new: Any) -> None:
        if value.start_mark.index < key.end_mark.index:
            raise by_hand(f"{key.value} stands for a value elsewhere in it (line {key.start_mark.line + 1})")
        if new is None:
            self._cut(key, value)
        elif isinstance(new, Mapping) and not _has_entries(value):
            # What stands behind it on its line may be a comment.
            self._replace(value, "")
            column = key.start_mark.column + 2
            self.insert(self._line_end(self._end(value)), indent(_block(new), " " * column))
        elif isinstance(new, Mapping) and isinstance(value, yaml.MappingNode):
            self.mapping(value, old, new)
        elif isinstance(new, list) and isinstance(value, yaml.SequenceNode) and not value.flow_style:
            self._sequence(value, old, new)
        else:
            space = "" if self._text[value.start_mark.index - 1].isspace() else " "
            self._replace(value, space + _flow(new, value.style if isinstance(value, yaml.ScalarNode) else None))

    def _sequence(self, node: yaml.SequenceNode, old: Sequence[str], new: Sequence[str]) -> None:
        """Change a list with one entry a line; each line goes where its entry goes."""
        lines = {}
        for entry, item in zip(old, node.value, strict=True):
            lines[entry] = (self._line_start(item.start_mark.index), self._line_end(self._end(item)))
        stay = [entry for entry in old if entry in new]
        in_order = list(new[: len(stay)]) == stay
        for entry, (start, end) in lines.items():
            if not (in_order and entry in new):
                self._pieces.append((start, end, ""))
        dash = " " * node.start_mark.column + "- "
        told = [
            self._text[slice(*lines[entry])] if entry in lines else f"{dash}{_flow([entry])[1:-1]}\n"
            for entry in (new[len(stay) :] if in_order else new)
        ]
        self.insert(self._line_end(self._end(node)), "".join(told).replace("\r\n", "\n"))

    def _cut(self, key: yaml.Node, value: yaml.Node) -> None:
        """Take an entry away with its lines, and the comment that stands on them."""
        self._pieces.append((self._line_start(key.start_mark.index), self._line_end(self._end(value)), ""))

    def _replace(self, node: yaml.Node, new: str) -> None:
        self._pieces.append((node.start_mark.index, self._end(node), new))

    def _end(self, node: yaml.Node) -> int:
        """Return where the last character of a value ends: its mark may stand behind comments that follow."""
        if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
            last = node.value[-1]
            return self._end(last[1] if isinstance(node, yaml.MappingNode) else last)
        end = int(node.end_mark.index)
        if isinstance(node, yaml.ScalarNode) and node.style in {"|", ">"}:
            end = len(self._text[:end].rstrip())
        return end

    def _line_start(self, place: int) -> int:
        return self._text.rfind("\n", 0, place) + 1

    def _line_end(self, place: int) -> int:
        return self._text.index("\n", place) + 1


def by_hand(because: str) -> DeclarationError:
    """Make the error for a text that only a person can change well."""
    return DeclarationError(
        "Could not change schools.yml",
        because=because,
        hint="change the row by hand, then run `schoolctl apply`",
    )


def _has_entries(node: yaml.Node) -> bool:
    return isinstance(node, yaml.CollectionNode) and bool(node.value)


class _Dumper(yaml.SafeDumper):
    """Write as the files are written by hand: lists further in than their key, quotes where a reader needs them."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 - PyYAML's names
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def _represent_text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    # PyYAML and Ansible would read a plain `no` as something else.
    try:
        plain = yaml.safe_load(value) == value
    except yaml.YAMLError:
        plain = False
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=None if plain else '"')


_Dumper.add_representer(str, _represent_text)


def _dump(value: Any, **options: Any) -> str:
    return str(yaml.dump(value, Dumper=_Dumper, allow_unicode=True, width=1 << 20, sort_keys=False, **options))


def _block(value: Mapping[str, Any]) -> str:
    return _dump(dict(value), default_flow_style=False)


def _flow(value: Any, style: str | None = None) -> str:
    """Return a value on one line; a text that is no better off without them keeps its quotes."""
    quotes = style if style in {'"', "'"} and isinstance(value, str) else None
    written = _dump(value, default_flow_style=True, default_style=quotes)
    return written.removesuffix("\n").removesuffix("\n...")
