"""What stands on a golden site wherever a school has something of its own.

Pure: nothing here needs a site.
"""

from collections.abc import Iterable, Mapping

from lms_app.services import company
from lms_app.services.head import Head

# What a golden site's company and its head are called: words that nothing else on a site holds, so that each place
# where they stand is a place of a school's name, or of its head's.
TITLE = "Qzjx Zjqx Jxqz Xqzj Kqxj"
HEAD = Head("xqvjz@golden.invalid", "Vqxjz Jvqzx")

# By what they are, in the order in which they are replaced, so that nothing is replaced within what was put in: a
# company's abbreviation is too short to hold any that comes after it, a head whose names hold one is refused, and after
# the name, which may hold anything, there comes none.
STAND_INS: Mapping[str, str] = {"initials": company.abbreviation(TITLE), **HEAD.words, "title": TITLE}
# What tells each of them in whatever form it is written: no name is made without the first word of it.
MARKS = ("qzjx", "qzjxk", "xqvjz", "vqxjz", "jvqzx")


def replacements(title: str, head: Head | None) -> dict[str, str]:
    """Return what a school has in the place of each stand-in; without a head, nothing for those of the head."""
    name = company.name(title)
    return {"initials": company.abbreviation(name), **(head.words if head else {}), "title": name}


def can_stand_for(head: Head) -> bool:
    """Say whether a head's user is HEAD's with other words in it, as far as words tell."""
    return head.is_plain and not any(word in text for word in STAND_INS.values() for text in head.words.values())


def replaced(column: str, keys: Iterable[str]) -> str:
    """Return the SQL for a column's text with some stand-ins replaced; `was_KEY` and `KEY` are its parameters."""
    text, wanted = f"`{column}`", {*keys}
    for key in STAND_INS:
        if key in wanted:
            text = f"REPLACE({text}, %(was_{key})s, %({key})s)"
    return text


def holding(column: str, keys: Iterable[str]) -> str:
    """Return the SQL for whether a column's text holds one of some stand-ins; `was_KEY` are its parameters."""
    return "(" + " OR ".join(f"LOCATE(BINARY %(was_{key})s, BINARY `{column}`) > 0" for key in keys) + ")"


def marked(text: str) -> str:
    """Return the SQL for whether a text holds a stand-in in whatever form."""
    return "(" + " OR ".join(f"LOCATE('{mark}', LOWER({text})) > 0" for mark in MARKS) + ")"
