"""What pupils see of an attempt afterwards, by the review policy of its quiz.

Pure: nothing here needs a site. Keys, feedback of options and explanations leave the server here alone.
"""

from collections.abc import Mapping
from typing import Any

from lms_app.services import questions, responses, scoring
from lms_app.services.scoring import Question

# How much is shown; each shows what the ones before do.
NOTHING, SCORE, MARKS, ANSWERS = "Nothing", "Score", "Marks", "Answers"
LEVELS = (NOTHING, SCORE, MARKS, ANSWERS)
# From when on; before that, the score at most.
AT_ONCE, WHEN_CLOSED, AFTER_LAST = "At Once", "When Closed", "After the Last Attempt"
WHEN = (AT_ONCE, WHEN_CLOSED, AFTER_LAST)


def level(policy: str, when: str, *, is_closed: bool, attempts_left: int | None, is_under_way: bool) -> str:
    """Return how much of an attempt its pupil may see now.

    attempts_left: None for any number. is_under_way: they are at another one, in which it would help.
    """
    is_late = is_closed or (when == AFTER_LAST and attempts_left == 0)
    is_time = when == AT_ONCE or (is_late and not is_under_way)
    return policy if is_time else min(policy, SCORE, key=LEVELS.index)


def shows(shown: str, wanted: str) -> bool:
    """Say whether what is shown includes a level."""
    return LEVELS.index(shown) >= LEVELS.index(wanted)


def of_answer(
    shown: str, question: Question | None, asked: Mapping[str, Any], row: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what a pupil sees of an answer: position, kind, body, and answer (their own, in words).

    From MARKS on also points, most, is_waiting and comment (the teacher's); with ANSWERS also right (words), feedback
    and explanation. shown: the level. question: None if it is gone. asked: what the pupil was shown. row: of the
    answer, with response as it was sent, refs, and the question's explanation.
    """
    seen = {
        "position": row["position"],
        "kind": asked["kind"],
        "body": asked["body"],
        "answer": said(asked, row["response"]),
    }
    if shows(shown, MARKS):
        seen |= {
            "points": row["points"],
            "most": row["most"],
            "is_waiting": bool(row["needs_grade"]),
            "comment": row["comment"] or "",
        }
    if shows(shown, ANSWERS) and question is not None:
        named = responses.named(asked["kind"], row["refs"], row["response"])
        seen |= {
            "right": right(question),
            "feedback": feedback(question, named),
            "explanation": row["explanation"] or "",
        }
    return seen


def said(asked: Mapping[str, Any], answer: Any) -> list[str]:
    """Return a pupil's own answer in words, a line for each part; nothing for none."""
    texts = {one["id"]: one["text"] for one in (*asked.get("items", ()), *asked.get("targets", ()))}
    if not answer:
        return []
    if isinstance(answer, str):
        return [texts.get(answer, answer) if asked["kind"] in scoring.CHOICES else answer]
    if isinstance(answer, list):
        return [texts.get(one, one) for one in answer]
    if asked["kind"] == scoring.MATCHING:
        return [f"{texts.get(one, one)}: {texts.get(other, other)}" for one, other in answer.items()]
    return [f"{gap}: {answer[gap]}" for gap in sorted(answer, key=int)]


def right(question: Question) -> list[str]:
    """Return what would have been right, in words, a line for each part."""
    kind, options = question.kind, question.options
    if kind == scoring.ESSAY:
        return []
    if kind == scoring.MATCHING:
        return [f"{option.text}: {option.key}" for option in options if option.text]
    if kind == scoring.ORDERING:
        return [option.text for option in options]
    if kind == scoring.CLOZE:
        gaps = sorted({option.gap for option in options})
        best = {gap: scoring.right([option for option in options if option.gap == gap]) for gap in gaps}
        return [f"{gap}: {best[gap][0].key}" for gap in gaps if best[gap]]
    if kind == scoring.MULTIPLE:
        return [option.text for option in options if option.weight > 0]
    return [option.text or option.key for option in scoring.right(options)]


def feedback(question: Question, named: Any) -> list[str]:
    """Return what the teacher wrote beforehand about what was answered."""
    if not named or question.kind == scoring.ESSAY:
        return []
    if question.kind in (scoring.SHORT_TEXT, scoring.NUMERIC):
        row = scoring.accepted(question, named)
        return [row.feedback] if row and row.feedback else []
    if question.kind == scoring.CLOZE:
        rows = [scoring.accepted(question, word, int(gap)) for gap, word in named.items()]
        return [row.feedback for row in rows if row and row.feedback]
    taken = {named} if isinstance(named, str) else {*named}
    return [option.feedback for option in question.options if option.name in taken and option.feedback]


def is_word(kind: str, text: str) -> bool:
    """Say whether a text is one of the app's own words, to be said in the reader's language."""
    return kind == scoring.TRUE_FALSE and text in (questions.TRUE, questions.FALSE)
