"""The one Jinja environment for shared templates, set up as Ansible sets up its own."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment


@cache
def environment(templates: Path) -> "Environment":
    """Return an environment that prints what `ansible.builtin.template` prints."""
    # Here, because most commands render nothing and need not wait for it.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(templates),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=False,
        keep_trailing_newline=False,
        finalize=lambda value: "" if value is None else value,
        autoescape=False,  # noqa: S701 - the output is configuration, not HTML; values are checked by the model
    )


def render(templates: Path, template: str, context: Mapping[str, Any]) -> str:
    """Return the text of one shared template, ending in exactly one newline."""
    return environment(templates).get_template(template).render(context).rstrip("\n") + "\n"
