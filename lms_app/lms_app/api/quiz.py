"""Taking quizzes, and what teachers do about them."""

import frappe

from lms_app.api import demands
from lms_app.deadlocks import tried_again
from lms_app.services import access, grading, limits, question_import, quiz_content, quiz_engine, reasons, rights

# More than anybody needs, and few enough that nobody fills a school's tables with them.
STARTS_AN_HOUR = 120


@frappe.whitelist(methods=["POST"])
@tried_again
def start(quiz: str) -> dict[str, str]:
    """Begin a quiz, or go on with the attempt that is under way; return attempt."""
    demands.nothing_but("quiz")
    return {"attempt": begin(quiz)}


@frappe.whitelist(methods=["POST"])
@tried_again
def save_answer(
    attempt: str, position: int, seq: int, response: str | list[str] | dict[str, str] | None = None
) -> dict[str, bool | int | str | None]:
    """Keep an answer; return is_kept, seq and saved (the time) of what is kept, and seconds_left.

    seq: one more than that of the answer before; an older one is not kept. The clock is the server's.
    """
    demands.nothing_but("attempt", "position", "seq", "response")
    kept = quiz_engine.save(demands.somebody(), attempt, position, response, seq)
    saved = frappe.utils.format_time(kept.saved_on, "HH:mm") if kept.saved_on else None
    return {"is_kept": kept.is_kept, "seq": kept.seq, "saved": saved, "seconds_left": kept.seconds_left}


@frappe.whitelist(methods=["POST"])
def clock(attempt: str) -> dict[str, bool | int | None]:
    """Return is_under_way and seconds_left of an attempt: it may have been handed in elsewhere, or given more time."""
    demands.nothing_but("attempt")
    return quiz_engine.clock(demands.somebody(), attempt)


@frappe.whitelist(methods=["POST"])
@tried_again
def submit(attempt: str) -> None:
    """Hand an attempt in; again, it changes nothing."""
    demands.nothing_but("attempt")
    quiz_engine.submit(demands.somebody(), attempt)


@frappe.whitelist(methods=["POST"])
@tried_again
def grade(attempt: str, position: int, points: float, comment: str = "") -> dict[str, str | float | int]:
    """Grade an answer of an attempt that was handed in, as a teacher; return state, percent, is_passed."""
    course = frappe.db.get_value(quiz_content.ATTEMPT, attempt, "course")
    reasons.deny("" if course else rights.NOT_STAFF)
    access.to_grade(frappe.session.user, course)
    return grading.grade(attempt, position, points, comment, by=frappe.session.user)


@frappe.whitelist(methods=["POST"])
@tried_again
def import_questions(bank: str, text: str, form: str) -> dict[str, int | list[dict[str, int | str]]]:
    """Write questions into a bank, as a teacher; return imported, and faults (line, reason, words).

    form: GIFT or CSV.
    """
    course = frappe.db.get_value(quiz_content.BANK, bank, "course")
    reasons.deny("" if course else rights.NOT_STAFF)
    access.to_edit(frappe.session.user, course)
    return question_import.into(bank, text, form)


def begin(quiz: str) -> str:
    """Return the attempt that whoever is logged in begins, or has begun; a page may have been asked for with more."""
    user = demands.somebody()
    limits.count("quiz", user, most=STARTS_AN_HOUR, seconds=3600)
    return quiz_engine.start(user, quiz)
