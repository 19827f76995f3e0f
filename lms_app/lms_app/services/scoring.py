"""What an answer to a question is worth, for each kind of question: a share from 0 to 1, exactly.

Pure: nothing here needs a site. Answers name options by their rows; what a browser calls them is translated before.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

SINGLE, MULTIPLE, TRUE_FALSE = "Single Choice", "Multiple Choice", "True or False"
SHORT_TEXT, NUMERIC, CLOZE = "Short Text", "Numeric", "Cloze"
MATCHING, ORDERING, ESSAY = "Matching", "Ordering", "Essay"
KINDS = (SINGLE, MULTIPLE, TRUE_FALSE, SHORT_TEXT, NUMERIC, MATCHING, ORDERING, CLOZE, ESSAY)
CHOICES = (SINGLE, TRUE_FALSE)
WRITTEN = (SHORT_TEXT, NUMERIC, CLOZE)

NOTHING, WHOLE = Fraction(0), Fraction(1)
# A gap of a cloze text, by its number.
GAP = re.compile(r"\[\[(\d{1,2})\]\]")

_SPACES = re.compile(r"\s")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d{1,3})?")
# More than any science counts, and less than what a number of the machine can be made of.
_LONGEST, _MOST = 200, 10**100


@dataclass(frozen=True)
class Option:
    """A row of a question.

    name: of the row. text: what pupils see. key: what belongs to it or is accepted. weight: percent of the points that
    it earns. tolerance: how far a number may be off. gap: of a cloze text.
    """

    name: str
    text: str = ""
    key: str = ""
    weight: float = 0
    tolerance: float = 0
    gap: int = 0
    feedback: str = ""


@dataclass(frozen=True)
class Question:
    """What decides about the answers to a question; is_partial: whether half of it right earns half."""

    kind: str
    options: Sequence[Option] = ()
    is_partial: bool = True
    is_case_sensitive: bool = False


def share(question: Question, answer: Any) -> Fraction | None:
    """Return the share of a question's points that an answer earns; None for one that a person has to read.

    answer: as `responses.named` returns it; None for none, which earns nothing in every kind.
    """
    if not answer:
        return NOTHING
    if question.kind == ESSAY:
        return None
    earned = _BY_KIND[question.kind](question, answer)
    return earned if question.is_partial or earned == WHOLE else NOTHING


def number(text: str) -> Fraction | None:
    """Return the number that somebody wrote, with a point or a comma for decimals; None if it is none, or beyond 1e100.

    Spaces between groups of digits are allowed, and commas for them are not: 1,500 is one and a half.
    """
    plain = _SPACES.sub("", unicodedata.normalize("NFKC", text)).replace("\u2212", "-")
    if len(plain) > _LONGEST or not _NUMBER.fullmatch(plain):
        return None
    found = Fraction(plain.replace(",", "."))
    return found if abs(found) <= _MOST else None


def alike(one: str, other: str, *, is_case_sensitive: bool) -> bool:
    """Say whether two texts are the same words, whatever their spaces and, unless they matter, capitals."""
    return _plain(one, is_case_sensitive) == _plain(other, is_case_sensitive)


def accepted(question: Question, text: str, gap: int = 0) -> Option | None:
    """Return the row that fits a written answer best; None if none does."""
    rows = [row for row in question.options if row.gap == gap or question.kind != CLOZE]
    fitting = [row for row in rows if _fits(question, row, text)]
    return max(fitting, key=lambda row: row.weight, default=None)


def right(options: Sequence[Option]) -> list[Option]:
    """Return the options that earn the most: those that are simply right."""
    most = max((option.weight for option in options), default=0)
    return [option for option in options if option.weight == most > 0]


def _plain(text: str, is_case_sensitive: bool) -> str:
    words = " ".join(unicodedata.normalize("NFKC", text).split())
    return words if is_case_sensitive else unicodedata.normalize("NFKC", words.casefold())


def _fits(question: Question, row: Option, text: str) -> bool:
    if question.kind != NUMERIC:
        return alike(row.key, text, is_case_sensitive=question.is_case_sensitive)
    said, wanted = number(text), number(row.key)
    return said is not None and wanted is not None and abs(said - wanted) <= _exact(row.tolerance)


def _exact(value: float) -> Fraction:
    # 0.1 is a tenth to whoever wrote it.
    return Fraction(str(value))


def _earned(row: Option | None) -> Fraction:
    return min(WHOLE, max(NOTHING, _exact(row.weight) / 100)) if row else NOTHING


def _single(question: Question, answer: str) -> Fraction:
    return _earned(next((option for option in question.options if option.name == answer), None))


def _multiple(question: Question, answer: Sequence[str]) -> Fraction:
    positive = [_exact(option.weight) for option in question.options if option.weight > 0]
    if not positive:
        return NOTHING
    # Taking everything is no way to all the points: a wrong option without a weight costs what a right one earns.
    usual = sum(positive, NOTHING) / len(positive)
    values = {option.name: _exact(option.weight) or -usual for option in question.options}
    earned = sum((values.get(name, NOTHING) for name in answer), NOTHING) / sum(positive, NOTHING)
    return min(WHOLE, max(NOTHING, earned))


def _written(question: Question, answer: str) -> Fraction:
    return _earned(accepted(question, answer))


def _matching(question: Question, answer: Mapping[str, str]) -> Fraction:
    keys = {option.name: option.key for option in question.options}
    asked = [option for option in question.options if option.text]
    found = sum(1 for option in asked if option.name in answer and keys.get(answer[option.name]) == option.key)
    return Fraction(found, len(asked)) if asked else NOTHING


def _ordering(question: Question, answer: Sequence[str]) -> Fraction:
    # By neighbours: one item that is out of place costs its own place, and not that of everything behind it.
    wanted = {*pairwise(option.name for option in question.options)}
    return Fraction(sum(1 for pair in pairwise(answer) if pair in wanted), len(wanted)) if wanted else NOTHING


def _cloze(question: Question, answer: Mapping[str, str]) -> Fraction:
    gaps = sorted({option.gap for option in question.options})
    found = [_earned(accepted(question, answer[str(gap)], gap)) for gap in gaps if str(gap) in answer]
    return sum(found, NOTHING) / len(gaps) if gaps else NOTHING


_BY_KIND = {
    SINGLE: _single,
    TRUE_FALSE: _single,
    MULTIPLE: _multiple,
    SHORT_TEXT: _written,
    NUMERIC: _written,
    MATCHING: _matching,
    ORDERING: _ordering,
    CLOZE: _cloze,
}
