"""What a browser may send as the answer to a question, checked against what it was shown.

Pure: nothing here needs a site. A browser knows options by names that are made for each attempt.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lms_app.services import scoring

LONGEST_TEXT = 1000
LONGEST_ESSAY = 50_000

# Why an answer is none that the page could have sent.
FOREIGN, REPEATED, SHAPE, TOO_LONG = "foreign_option", "repeated_option", "bad_answer", "too_long"

Answer = str | list[str] | dict[str, str]


class InvalidAnswerError(ValueError):
    """Carry the reason why something is no answer to a question."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def checked(shown: Mapping[str, Any], answer: Any) -> Answer | None:
    """Return an answer in its one form; None for an empty one.

    shown: kind, items and targets (each with an id), gaps. Raises InvalidAnswerError for what was never on the page.
    """
    kind = shown["kind"]
    if answer is None or answer in ("", [], {}):
        return None
    items = [item["id"] for item in shown.get("items", ())]
    if kind in scoring.CHOICES:
        return _known(answer, items)
    if kind == scoring.MULTIPLE:
        return _each(answer, items)
    if kind == scoring.ORDERING:
        order = _each(answer, items)
        if len(order) != len(items):
            raise InvalidAnswerError(SHAPE)
        return order
    if kind == scoring.MATCHING:
        targets = [target["id"] for target in shown.get("targets", ())]
        pairs = {_known(item, items): target for item, target in _pairs(answer) if target}
        return {item: _known(target, targets) for item, target in pairs.items()} or None
    if kind == scoring.CLOZE:
        gaps = [str(gap) for gap in shown.get("gaps", ())]
        words = {_known(gap, gaps): _text(word, LONGEST_TEXT) for gap, word in _pairs(answer)}
        return {gap: word for gap, word in words.items() if word.strip()} or None
    text = _text(answer, LONGEST_ESSAY if kind == scoring.ESSAY else LONGEST_TEXT)
    return text if text.strip() else None


def of_form(shown: Mapping[str, Any], field: str, form: Mapping[str, Any]) -> Any:
    """Return the answer that a plain form holds under a field, still to be checked; None for none.

    What has parts is under the field, a hyphen and the part: a box that is ticked, the target of an item, the place of
    an item in an order, the word in a gap.
    """
    kind = shown["kind"]
    parts = [item["id"] for item in shown.get("items", ())] or [str(gap) for gap in shown.get("gaps", ())]
    given = {part: value for part in parts if (value := form.get(f"{field}-{part}"))}
    if kind == scoring.MULTIPLE:
        return [*given]
    if kind == scoring.ORDERING:
        places = {part: int(place) for part, place in given.items() if str(place).isdecimal()}
        # Those without a place stand behind the others, as they stood on the page.
        return sorted(parts, key=lambda part: places.get(part, len(parts) + 1)) if places else None
    if kind in (scoring.MATCHING, scoring.CLOZE):
        return given
    return form.get(field)


def named(kind: str, refs: Mapping[str, str], answer: Answer | None) -> Answer | None:
    """Return an answer with the rows' names in the place of those that the browser knows.

    refs: the row of each. What was taken out of the question since is no row's any more, and earns nothing.
    """
    if isinstance(answer, str):
        return refs.get(answer) if kind in scoring.CHOICES else answer
    if isinstance(answer, list):
        return [refs.get(one, "") for one in answer]
    if isinstance(answer, dict) and kind == scoring.MATCHING:
        return {refs.get(one, ""): refs.get(other, "") for one, other in answer.items()}
    return answer


def _known(one: Any, known: Sequence[str]) -> str:
    if not isinstance(one, str) or one not in known:
        raise InvalidAnswerError(FOREIGN)
    return one


def _each(answer: Any, known: Sequence[str]) -> list[str]:
    if not isinstance(answer, list):
        raise InvalidAnswerError(SHAPE)
    found = [_known(one, known) for one in answer]
    if len({*found}) != len(found):
        raise InvalidAnswerError(REPEATED)
    return found


def _pairs(answer: Any) -> Iterable[tuple[Any, Any]]:
    if not isinstance(answer, Mapping):
        raise InvalidAnswerError(SHAPE)
    return answer.items()


def _text(answer: Any, longest: int) -> str:
    if not isinstance(answer, str):
        raise InvalidAnswerError(SHAPE)
    if len(answer) > longest:
        raise InvalidAnswerError(TOO_LONG)
    return answer
