"""What those do about questions and quizzes who may change the course."""

import frappe

from lms_app.deadlocks import tried_again
from lms_app.services import access, question_bank, question_import, quiz_content, quiz_form, reasons, rights


@frappe.whitelist(methods=["POST"])
@tried_again
def make_bank(course: str, title: str) -> dict[str, str]:
    """Make a bank of a course; return bank. course: its name."""
    access.to_edit(frappe.session.user, course)
    return {"bank": question_bank.make_bank(course, title)}


@frappe.whitelist(methods=["POST"])
@tried_again
def remove_bank(bank: str) -> None:
    """Remove a bank that has nothing in it."""
    _to_edit(quiz_content.BANK, bank)
    question_bank.remove_bank(bank)


@frappe.whitelist(methods=["POST"])
@tried_again
def save(
    bank: str,
    body: str,
    options: list[dict[str, str]],
    kind: str = "",
    question: str = "",
    title: str = "",
    points: float = 1,
    truth: str = "",
    explanation: str = "",
    is_partial: bool = True,
    is_case_sensitive: bool = False,
    seen: str = "",
) -> dict[str, str]:
    """Write a question of a bank, a new one of a kind or one that is there; return question.

    options: rows with name (of one that is there), text, key, weight, tolerance, gap and feedback, as its kind has
    them. seen: the stamp of the page, of one that is there.
    """
    _to_edit(quiz_content.BANK, bank)
    values = {"kind": kind, "title": title.strip(), "body": body, "points": points, "truth": truth}
    values |= {"explanation": explanation, "is_partial": int(is_partial), "is_case_sensitive": int(is_case_sensitive)}
    return {"question": question_bank.save(bank, question, values, options, seen)}


@frappe.whitelist(methods=["POST"])
@tried_again
def remove(question: str) -> None:
    """Remove a question that nobody was asked and no quiz asks."""
    _to_edit(quiz_content.QUESTION, question)
    question_bank.remove(question)


@frappe.whitelist(methods=["POST"])
def look(bank: str, text: str, form: str) -> dict[str, list[dict[str, int | float | str]]]:
    """Say which questions a text holds, and write nothing; return questions and faults. form: GIFT or CSV."""
    _to_edit(quiz_content.BANK, bank)
    return question_import.look(text, form)


@frappe.whitelist(methods=["POST"])
@tried_again
def save_quiz(
    course: str, values: dict[str, str], slots: list[dict[str, str]], quiz: str = "", seen: str = ""
) -> dict[str, str]:
    """Write a quiz of a course, a new one without its name; return quiz. course: its name.

    values: title, intro and the rules, by the fields' names. slots: what (question:NAME or bank:NAME), count, points.
    seen: the stamp of the page, of one that is there.
    """
    access.to_edit(frappe.session.user, course)
    return {"quiz": quiz_form.save(course, quiz, values, slots, seen)}


@frappe.whitelist(methods=["POST"])
@tried_again
def remove_quiz(quiz: str) -> None:
    """Remove a quiz that nobody has begun, and that no lesson has."""
    _to_edit(quiz_content.QUIZ, quiz)
    quiz_form.remove(quiz)


def _to_edit(doctype: str, name: str) -> None:
    """Let through who may change the course that a row belongs to."""
    course = frappe.db.get_value(doctype, name, "course") if name else None
    reasons.deny("" if course else rights.NOT_STAFF)
    access.to_edit(frappe.session.user, course)
