"""Write docs/reference/cli.md from the commands themselves; a contract test refuses a page that is out of date."""

from collections.abc import Iterator
from pathlib import Path

import click
import typer

from schoolctl.app import app

PAGE = Path(__file__).with_name("cli.md")

HEAD = """\
# schoolctl

Written by `make docs` from the commands' own help: edit it there. `schoolctl COMMAND --help` says the same.

All that people read goes to stderr; stdout is data, as JSON with `--json`. Exit codes are in
[troubleshooting](../guides/troubleshooting.md).
"""


def page() -> str:
    """Return the whole page."""
    root = typer.main.get_command(app)
    sections = [section("schoolctl", root), *(section(name, command) for name, command in commands(root, "schoolctl"))]
    return "\n".join([HEAD, *sections])


def commands(group: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """Yield every command below a group with its full name, in the order of the help."""
    if not isinstance(group, click.Group):
        return
    context = click.Context(group, info_name=name)
    for word in group.list_commands(context):
        command = group.get_command(context, word)
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} {word}")
        elif command is not None:
            yield f"{name} {word}", command


def section(name: str, command: click.Command) -> str:
    """Return what one command says of itself: its words, its example, its arguments and options."""
    context = click.Context(command, info_name=name)
    words, _, example = (command.help or "").partition("Example: ")
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    lines = [f"## {name}", "", words.strip(), "", f"    {usage}"]
    if example:
        lines.append(f"    {example.strip()}   # for example")
    rows = [row for row in map(described, command.params) if row]
    if rows:
        lines += ["", "| | |", "|---|---|", *rows]
    return "\n".join([*lines, ""])


def described(parameter: click.Parameter) -> str:
    """Return a table's row for an argument or option; nothing for those that every program has."""
    if parameter.name in {"help", "install_completion", "show_completion"}:
        return ""
    context = click.Context(click.Command("none"))
    record = parameter.get_help_record(context)
    if record is None:
        return ""
    name, words = (text.replace("\\[", "[").replace("|", "\\|") for text in record)
    return f"| `{name}` | {words} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
