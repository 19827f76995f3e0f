"""Work to grade: what a pupil handed in, and a form to judge it or to give it back; the next one follows."""

import re
from typing import Any

import frappe
from frappe import _

from lms_app import pages
from lms_app.api import assignment as api
from lms_app.services import assignment_grading, assignments, grading_queue, numbers

no_cache = 1

TELL, KEEP, GIVE_BACK, RELEASE = "tell", "keep", "back", "release"
_CRITERION = re.compile(r"(level|comment)-(\w{1,16})", re.ASCII)


def get_context(context: frappe._dict) -> None:
    """Fill in the work and what follows it; grade it or give it back where a form asks for that, and go on."""
    form, user = frappe.form_dict, frappe.session.user
    submission, of_course = str(form.get("submission") or ""), bool(form.get("course"))
    if pages.is_form():
        pages.act(context, lambda: _obey(form, user, submission))
    page = pages.show_to_grade(context, lambda: grading_queue.work(user, submission), of_course=of_course)
    if page is None:
        return
    context.update(
        {
            "page_title": f"{page.assignment.title} · {page.pupil}",
            "typed": _typed(form) if context.trouble else None,
            "said": "" if context.trouble else _said(form.get("said")),
            "longest": assignment_grading.LONGEST_FEEDBACK,
            "longest_comment": assignment_grading.LONGEST_COMMENT,
            "is_told": page.submission.state in assignments.TOLD,
            "is_replaced": page.submission.state == assignments.REPLACED,
        }
    )


def _obey(form: frappe._dict, user: str, submission: str) -> str:
    """Do what a form asks for, and return the address of what is read next."""
    deed = str(form.get("deed") or TELL)
    found = grading_queue.work(user, submission)
    if deed == RELEASE:
        api.release(found.assignment.name)
    elif deed == GIVE_BACK:
        typed = _typed(form)
        if found.submission.state == assignments.SUBMITTED and (typed.levels or any(typed.comments.values())):
            # The pupil reads it beside what was asked for to be made better.
            given = {"levels": typed.levels, "comments": typed.comments, "feedback": typed.feedback}
            api.grade(submission, **given, is_told=False)
        api.give_back(submission, typed.feedback, typed.until)
    else:
        _grade(form, found, is_told=deed == TELL)
    said = {GIVE_BACK: "back", KEEP: "kept", RELEASE: "released"}.get(deed, "graded")
    return grading_queue.next_address(user, found, of_course=bool(form.get("course")), said=said)


def _grade(form: frappe._dict, found: frappe._dict, *, is_told: bool) -> None:
    typed = _typed(form)
    given: dict[str, Any] = {"levels": typed.levels, "comments": typed.comments}
    if not found.criteria:
        points = typed.points.strip() or None
        given = {"points": points and numbers.of_form(points, reason="bad_grade")}
    api.grade(found.submission.name, **given, feedback=typed.feedback, is_told=is_told)


def _typed(form: frappe._dict) -> frappe._dict:
    """Return what a form says: points, feedback, until, and levels and comments by the anchors of criteria."""
    told = frappe._dict({field: str(form.get(field) or "") for field in ("points", "feedback", "until")})
    told.update(levels={}, comments={})
    for key, value in form.items():
        if (match := _CRITERION.fullmatch(key)) and value:
            told[f"{match[1]}s"][match[2]] = str(value)
    return told


def _said(deed: str | None) -> str:
    return {
        "graded": _("Kept. Here is the next one."),
        "kept": _("Kept, and not told yet. Here is the next one."),
        "back": _("Given back. Here is the next one."),
        "released": _("The pupils are told their grades. Here is the next one."),
    }.get(deed or "", "")
