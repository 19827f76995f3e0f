"""The pupils of a course as a table: written for other programs, and read from what a teacher brings.

Pure: nothing here needs a site.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from lms_app.services import sign_up_policy

MOST = 300
LONGEST = 100_000
COLUMN = "email"
_HEADS = {COLUMN, "e-mail", "mail", "e-mail address", "email address"}

# Programs set to another separator part a cell where others do not, and take quotation marks within it for letters:
# whatever may come to stand at the beginning of a cell, behind any of these, is no formula either.
_FORMULA_WITHIN = re.compile(r"(?<=[;\t\r\n])([\s\"]*)(?=[=+\-@])")

# Reasons, beside those of addresses.
NO_COLUMN, TOO_MANY, TOO_LONG, EMPTY, TWICE = "no_email_column", "too_many_people", "too_long", "nobody_in_it", "twice"


@dataclass(frozen=True)
class Line:
    """An address, and the line that it is in, from 1 on."""

    number: int
    email: str


@dataclass(frozen=True)
class Fault:
    """Why a line cannot be read."""

    line: int
    reason: str


@dataclass
class Found:
    """What a table says."""

    lines: list[Line] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def write(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table as CSV; no cell of it is a formula to a program that opens it."""
    text = io.StringIO()
    table = csv.writer(text, quoting=csv.QUOTE_ALL)
    for row in (head, *rows):
        table.writerow([cell(value) for value in row])
    # By this mark such programs know that letters are not of some older alphabet.
    return "\ufeff" + text.getvalue()


def cell(value: object) -> str:
    """Return what a cell says, behind an apostrophe where a program would reckon with it."""
    text = "" if value is None else str(value)
    is_formula = text.lstrip().startswith(("=", "+", "-", "@")) or text.startswith(("\t", "\r", "\n"))
    return ("'" if is_formula else "") + _FORMULA_WITHIN.sub(r"\1'", text)


def read(text: str) -> Found:
    """Return the addresses of a table: of the column `email`, or of lines with an address alone."""
    if len(text) > LONGEST:
        return Found(faults=[Fault(1, TOO_LONG)])
    plain = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    first = plain.partition("\n")[0]
    rows = csv.reader(io.StringIO(plain), delimiter=max(",;\t", key=first.count))
    found, seen, column = Found(), set[str](), -1
    try:
        for row in rows:
            cells = [sign_up_policy.plain(one) for one in row]
            if not any(cells):
                continue
            if column < 0:
                column = _column(cells)
                if column < 0:
                    return Found(faults=[Fault(rows.line_num, NO_COLUMN)])
                if "@" not in cells[column]:
                    continue
            _take(found, seen, rows.line_num, cells[column] if column < len(cells) else "")
    except csv.Error:
        found.faults.append(Fault(rows.line_num, "unclosed"))
    if len(found.lines) > MOST:
        return Found(faults=[Fault(found.lines[MOST].number, TOO_MANY)])
    if not found.lines and not found.faults:
        found.faults.append(Fault(1, EMPTY))
    return found


def _column(cells: Sequence[str]) -> int:
    """Return which of the first line's cells stands above addresses, or is one; -1 if none does."""
    named = next((number for number, one in enumerate(cells) if one.casefold() in _HEADS), -1)
    return named if named >= 0 else next((number for number, one in enumerate(cells) if "@" in one), -1)


def _take(found: Found, seen: set[str], number: int, address: str) -> None:
    # As our own table has it, where an address begins like a formula.
    email = address.removeprefix("'").lower()
    if not sign_up_policy.is_address(email):
        found.faults.append(Fault(number, sign_up_policy.BAD_ADDRESS))
    elif email in seen:
        found.faults.append(Fault(number, TWICE))
    else:
        seen.add(email)
        found.lines.append(Line(number, email))
