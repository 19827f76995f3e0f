"""A school to try things in: people, courses and lessons, made as teachers and pupils make them."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import frappe
from frappe.model.document import Document
from frappe.utils import now_datetime

from lms_app.services import access, seats

MARK = "academy-tests"


def person(name: str, *roles: str) -> str:
    """Return a user of that name, made at need, with these roles; another test may have left them some already.

    Only the rows that say who it is: Frappe's own way takes a second, for contacts and settings that no test reads.
    """
    user = f"{name}.{MARK}@example.com"
    if not frappe.db.exists("User", user):
        row = {"doctype": "User", "name": user, "email": user, "username": name, "first_name": name.capitalize()}
        row |= {"full_name": name.capitalize(), "enabled": 1, "user_type": "Website User", "language": "en"}
        frappe.get_doc(row).db_insert()
    for role in {*roles} - {*frappe.get_all("Has Role", {"parenttype": "User", "parent": user}, pluck="role")}:
        held = {"doctype": "Has Role", "parenttype": "User", "parentfield": "roles", "parent": user, "role": role}
        frappe.get_doc(held).db_insert()
        frappe.cache.hdel("roles", user)
    return user


@contextmanager
def as_user(user: str) -> Iterator[None]:
    """Do something as somebody else."""
    before = frappe.session.user
    frappe.set_user(user)
    try:
        yield
    finally:
        frappe.set_user(before)


@contextmanager
def told(error: type[Exception], reason: str) -> Iterator[None]:
    """Expect an error that carries just this reason."""
    try:
        yield
    except error as fault:
        if fault.reason != reason:
            raise AssertionError(f"the reason is {fault.reason}, not {reason}") from fault
    else:
        raise AssertionError(f"nothing was refused for the reason {reason}")


def course(*lessons: dict[str, Any], **values: Any) -> Document:
    """Return a published course with one module of these lessons, published as well; one plain lesson if none is given.

    values: fields of the course. It is led by a teacher of its own unless instructors are given.
    """
    lead = {"user": person("lead", access.INSTRUCTOR_ROLE), "role": "Lead"}
    wanted = {"title": "Soups", "summary": "All about soups.", "instructors": [lead], **values}
    status = wanted.pop("status", "Published")
    made = frappe.get_doc({"doctype": "Academy Course", **wanted}).insert(ignore_permissions=True)
    part = module(made)
    for given in lessons or ({},):
        lesson(part, **given)
    made.reload()
    if status != made.status:
        made.status = status
        made.save(ignore_permissions=True)
    return made


def module(course: Document, **values: Any) -> Document:
    """Return a new module of a course."""
    row = {"doctype": "Academy Module", "course": course.name, "title": "Beginnings", **values}
    return frappe.get_doc(row).insert(ignore_permissions=True)


def lesson(module: Document, **values: Any) -> Document:
    """Return a new published lesson of a module, with one block of text unless others are given."""
    block = {"kind": "Markdown", "body": "Boil **water**."}
    row = {"title": "Stock", "status": "Published", "minutes": 10, "blocks": [block], **values}
    return frappe.get_doc({"doctype": "Academy Lesson", "module": module.name, **row}).insert(ignore_permissions=True)


def question(bank: str, **values: Any) -> Document:
    """Return a new question of a bank: one with a choice of salt and, right, flour unless another is given."""
    options = [{"text": "Salt"}, {"text": "Flour", "weight": 100}]
    row = {"kind": "Single Choice", "body": "What is counted as 100 percent?", "options": options, **values}
    return frappe.get_doc({"doctype": "Academy Question", "bank": bank, **row}).insert(ignore_permissions=True)


def quiz(course: Document, *questions: dict[str, Any], **values: Any) -> Document:
    """Return a new quiz of a course with these questions, in a published lesson that it completes.

    Without questions it has one of the usual kind; values: fields of the quiz.
    """
    bank = frappe.get_doc({"doctype": "Academy Question Bank", "title": "Flour", "course": course.name})
    bank.insert(ignore_permissions=True)
    slots = [{"kind": "Fixed", "question": question(bank.name, **given).name} for given in questions or ({},)]
    row = {"doctype": "Academy Quiz", "title": "Do you know flour?", "course": course.name, "slots": slots, **values}
    made = frappe.get_doc(row).insert(ignore_permissions=True)
    part = frappe.get_doc("Academy Module", {"course": course.name})
    lesson(part, title="Quiz", kind="Quiz", quiz=made.name, completion_rule="Quiz Passed", blocks=[])
    return made


def rubric(course: Document) -> Document:
    """Return a new rubric of a course: a crumb for up to 4 points, and a crust for up to 2."""
    criteria = [{"title": "Crumb"}, {"title": "Crust"}]
    levels = [
        {"criterion": criterion, "title": title, "points": points}
        for criterion, title, points in (
            ("Crumb", "Dense", 1),
            ("Crumb", "Open", 4),
            ("Crust", "Pale", 0),
            ("Crust", "Brown", 2),
        )
    ]
    row = {"doctype": "Academy Rubric", "title": "A loaf", "course": course.name}
    return frappe.get_doc({**row, "criteria": criteria, "levels": levels}).insert(ignore_permissions=True)


def assignment(course: Document, *, rule: str = "Submitted", **values: Any) -> Document:
    """Return a new assignment of a course, in a published lesson that it completes by a rule.

    It takes texts and files, is worth 10 points and passed with half of them; values: its fields.
    """
    row = {"doctype": "Academy Assignment", "title": "Bake a loaf", "instructions": "Bake **one**.", "points": 10}
    row |= {"course": course.name, "accepts_files": 1, "file_types": "pdf, txt, jpg", **values}
    made = frappe.get_doc(row).insert(ignore_permissions=True)
    part = frappe.get_doc("Academy Module", {"course": course.name})
    lesson(part, title="Your loaf", kind="Assignment", assignment=made.name, completion_rule=rule, blocks=[])
    return made


def lessons_of(course: Document) -> list[str]:
    """Return the names of a course's lessons in their order."""
    return frappe.get_all("Academy Lesson", {"course": course.name}, pluck="name", order_by="position, creation")


def completed(enrollment: str) -> None:
    """Let an enrolment be completed, as if every lesson were, without the job that follows."""
    values = {"state": seats.COMPLETED, "percent": 100, "completed_on": now_datetime()}
    frappe.db.set_value("Academy Enrollment", enrollment, values)


def attach(lesson: str, file_name: str, content: bytes | str) -> str:
    """Return the name of a new file of a lesson."""
    row = {"doctype": "File", "file_name": file_name, "content": content, "is_private": 1}
    row |= {"attached_to_doctype": "Academy Lesson", "attached_to_name": lesson}
    return frappe.get_doc(row).insert(ignore_permissions=True).name


def remove(courses: Iterable[str]) -> None:
    """Remove courses with all that belongs to them, and the people of this school: for tests that had to commit."""
    wanted = ("in", [*courses, ""])
    for doctype in frappe.get_all("DocType", {"module": "LMS App", "istable": 0, "issingle": 0}, pluck="name"):
        field = "name" if doctype == access.COURSE else "course"
        if not frappe.get_meta(doctype).has_field("course") and doctype != access.COURSE:
            continue
        names = ("in", [*frappe.get_all(doctype, {field: wanted}, pluck="name"), ""])
        for table in frappe.get_meta(doctype).get_table_fields():
            frappe.db.delete(table.options, {"parenttype": doctype, "parent": names})
        frappe.db.delete("File", {"attached_to_doctype": doctype, "attached_to_name": names})
        frappe.db.delete(doctype, {"name": names})
    people = ("in", [*frappe.get_all("User", {"name": ("like", f"%.{MARK}@example.com")}, pluck="name"), ""])
    frappe.db.delete("Academy Student", {"user": people})
    frappe.db.delete("Has Role", {"parenttype": "User", "parent": people})
    frappe.db.delete("__Auth", {"doctype": "User", "name": people})
    frappe.db.delete("User", {"name": people})
    frappe.clear_cache()
    frappe.cache.delete_keys("often:")
    frappe.db.commit()
