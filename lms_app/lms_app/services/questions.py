"""What a question lacks before pupils may be asked it, and how it is read from a row.

Pure: nothing here needs a site.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lms_app.services import scoring
from lms_app.services.scoring import Option, Question

NO_TEXT, FEW_OPTIONS, NO_RIGHT, SAME_OPTION = "no_text", "few_options", "no_right_option", "same_option"
NO_KEY, BAD_NUMBER, BAD_GAPS, NO_TRUTH = "no_key", "bad_number", "bad_gaps", "no_truth"

# What a column of the database holds.
MOST_TOLERANCE = 1_000_000_000

TRUE, FALSE = "True", "False"

Row = Mapping[str, Any]


def read(question: Row, options: Sequence[Row]) -> Question:
    """Return what decides about the answers to a question, from its row and those of its options."""
    kind = question["kind"]
    if kind == scoring.TRUE_FALSE:
        found = [Option(word, text=word, weight=100 if word == question.get("truth") else 0) for word in (TRUE, FALSE)]
    else:
        found = [_option(row) for row in options]
    return Question(
        kind,
        found,
        is_partial=bool(question.get("is_partial", 1)),
        is_case_sensitive=bool(question.get("is_case_sensitive")),
    )


def with_weights(kind: str, options: Sequence[Row]) -> list[float]:
    """Return the weights of options; an accepted word is wholly right where nobody said how right it is.

    What is accepted for its feedback alone has a weight below 0.
    """
    usual = 100.0 if kind in scoring.WRITTEN else 0.0
    return [float(row.get("weight") or 0) or usual for row in options]


def faults(question: Row, options: Sequence[Row]) -> list[str]:
    """Return what a question lacks: reasons."""
    found = [] if (question.get("body") or "").strip() else [NO_TEXT]
    return [*found, *dict.fromkeys(_of_kind(question, [_option(row) for row in options]))]


def _of_kind(question: Row, options: Sequence[Option]) -> Iterator[str]:
    kind = question["kind"]
    listed = [option for option in options if option.text]
    if kind in (scoring.SINGLE, scoring.MULTIPLE, scoring.ORDERING, scoring.MATCHING):
        if len(listed) < 2:
            yield FEW_OPTIONS
        if max(Counter(option.text for option in listed).values(), default=0) > 1:
            yield SAME_OPTION
    if kind == scoring.SINGLE and not any(option.weight == 100 for option in listed):
        yield NO_RIGHT
    if kind == scoring.MULTIPLE and not any(option.weight > 0 for option in listed):
        yield NO_RIGHT
    if kind == scoring.MATCHING and not all(option.key for option in options):
        yield NO_KEY
    if kind == scoring.TRUE_FALSE and question.get("truth") not in (TRUE, FALSE):
        yield NO_TRUTH
    if kind in scoring.WRITTEN and not (options and all(option.key for option in options)):
        yield NO_KEY
    if kind == scoring.NUMERIC and any(_is_bad_number(option) for option in options):
        yield BAD_NUMBER
    if kind == scoring.CLOZE:
        asked = {int(gap) for gap in scoring.GAP.findall(question.get("body") or "")}
        if not asked or asked != {option.gap for option in options}:
            yield BAD_GAPS


def _is_bad_number(option: Option) -> bool:
    return bool(option.key and scoring.number(option.key) is None) or option.tolerance > MOST_TOLERANCE


def _option(row: Row) -> Option:
    return Option(
        name=row.get("name") or "",
        text=(row.get("text") or "").strip(),
        key=(row.get("key") or "").strip(),
        weight=float(row.get("weight") or 0),
        tolerance=abs(float(row.get("tolerance") or 0)),
        gap=int(row.get("gap") or 0),
        feedback=(row.get("feedback") or "").strip(),
    )
