"""The one Jinja environment for shared templates, set up as Ansible sets up its own."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment


@cache
def environment(templates: Path) -> "Environment":
    """Return an environment that prints what `ansible.builtin.template` prints."""
    # Here, because most commands render nothing and need not wait for it.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    class Beside(Environment):
        """Find the parts of a template beside it, where Ansible looks for them."""

        def join_path(self, template: str, parent: str) -> str:
            return (PurePosixPath(parent).parent / template).as_posix()

    return Beside(
        loader=FileSystemLoader(templates),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=False,
        keep_trailing_newline=False,
        finalize=lambda value: "" if value is None else value,
        autoescape=False,  # The output is configuration, not HTML; values are checked by the model
    )


def render(templates: Path, template: str, context: Mapping[str, Any]) -> str:
    """Return the text of one shared template, ending in exactly one newline."""
    return environment(templates).get_template(template).render(context).rstrip("\n") + "\n"
