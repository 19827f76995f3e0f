"""The commands of a guide, so that what a test rehearses is what people read."""

import re
import shlex

from journey import ROOT

# As the guides call what the lab has by another name.
ENV = ("--env", "production")


def commands(page: str, section: str) -> list[list[str]]:
    """Return the schoolctl commands of a section of a guide, in order, as words without the program and `--env`."""
    text = (ROOT / "docs" / "guides" / page).read_text(encoding="utf-8")
    body = text.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    lines = re.findall(r"^ {4,}schoolctl (.*?)(?: {2,}#.*)?$", body, re.MULTILINE)
    assert lines, f"{page} has no commands below `{section}`"
    found = []
    for line in lines:
        words = shlex.split(line, comments=True)
        found.append(words[2:] if tuple(words[:2]) == ENV else words)
    return found
