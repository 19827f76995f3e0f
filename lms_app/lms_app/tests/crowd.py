"""A school of the size that the budgets of lms.md name, written in bulk by copying what was made in the usual way."""

import json
from typing import Any

import frappe
from frappe.utils.password import set_encrypted_password

from lms_app.services import access, enrolment, progress
from lms_app.tests import school

COURSES, LESSONS, PUPILS, COURSES_EACH, TRACES_EACH = 200, 30, 5000, 8, 25
# Who can be asked for by key, and takes the quiz.
WITH_KEYS, QUESTIONS = 150, 10


def make(
    courses: int = COURSES, lessons: int = LESSONS, pupils: int = PUPILS, keys: int = WITH_KEYS
) -> dict[str, str | list[dict[str, str]]]:
    """Fill a site; return course and lesson (paths), quiz (its name), and pupils.

    Each of these has lesson (the name of one that is open to them), path (of its page), and authorization (the header
    that shows who they are).
    courses: at least COURSES_EACH. lessons: of each course. keys: how many of the pupils are returned. All is
    committed, for a site that is thrown away. Raises ValidationError where tests are not allowed.
    """
    if not frappe.conf.allow_tests:
        frappe.throw("Only a site for tests can be filled with a crowd")
    pattern = school.course(*[{"title": f"Lesson {number}"} for number in range(1, lessons + 1)], title="Pattern")
    _courses(pattern.name, courses)
    quiz = school.quiz(pattern, *[{} for _ in range(QUESTIONS)], per_page=1)
    user = school.person("pattern", access.STUDENT_ROLE)
    enrolled = enrolment.join(user, pattern.name)
    progress.declare(user, school.lessons_of(pattern)[0])
    _pupils(user, enrolled.name, courses, lessons, pupils)
    shown = _let_in(user, enrolled, keys)
    frappe.db.commit()
    frappe.clear_cache()
    return {
        "course": "/learn/c/crowd-1",
        "lesson": "/learn/c/crowd-1/l/lesson-1",
        "quiz": quiz.name,
        "pupils": [
            {
                "lesson": f"crowd-{_course_of(number, 0, courses)}-1",
                "path": f"/learn/c/crowd-{_course_of(number, 0, courses)}/l/lesson-1",
                "authorization": f"token crowd{number}:{shown}",
            }
            for number in range(1, keys + 1)
        ],
    }


def _courses(pattern: str, number: int) -> None:
    """Copy a course with all that is in it."""
    course, nth = "CONCAT('crowd-', n.seq)", "CONCAT('crowd-', n.seq, '-', {})"
    named = {"name": course, "slug": course, "title": "CONCAT('Course ', n.seq)"}
    copy(access.COURSE, number, f"t.name = {frappe.db.escape(pattern)}", **named)
    of_course = f"t.course = {frappe.db.escape(pattern)}"
    copy("Academy Module", number, of_course, name=course, course=course)
    place = nth.format("t.position")
    copy("Academy Lesson", number, of_course, name=place, course=course, module=course)
    for parent in (access.COURSE, "Academy Lesson"):
        inside = f"t.parenttype = {frappe.db.escape(parent)} AND t.parent = p.name AND p."
        inside += "name" if parent == access.COURSE else "course"
        inside += f" = {frappe.db.escape(pattern)}"
        copied = course if parent == access.COURSE else nth.format("p.position")
        for table in {field.options for field in frappe.get_meta(parent).get_table_fields()}:
            name = "CONCAT(n.seq, '-', t.name)"
            copy(table, number, inside, f"JOIN `tab{parent}` p", name=name, parent=copied)


def _pupils(user: str, enrolled: str, courses: int, lessons: int, pupils: int) -> None:
    """Copy a pupil, and let each be in some courses and have been in their lessons."""
    address, student = "CONCAT('crowd-', n.seq, '@example.com')", "CONCAT('crowd-', n.seq)"
    whose = f"t.name = {frappe.db.escape(user)}"
    copy("User", pupils, whose, name=address, email=address, username=student)
    role = f"t.parenttype = 'User' AND t.parent = {frappe.db.escape(user)}"
    copy("Has Role", pupils, role, name="CONCAT(n.seq, '-', t.name)", parent=address)
    copy("Academy Student", pupils, f"t.user = {frappe.db.escape(user)}", name=student, user=address)
    # One number for each enrolment: whose it is, and which of theirs.
    whose, which = f"(n.seq - 1) DIV {COURSES_EACH} + 1", f"(n.seq - 1) MOD {COURSES_EACH}"
    course = f"(({whose}) * {COURSES_EACH} + {which}) MOD {courses} + 1"
    values = {"student": f"CONCAT('crowd-', {whose})", "course": f"CONCAT('crowd-', {course})"}
    one = f"t.name = {frappe.db.escape(enrolled)}"
    copy("Academy Enrollment", pupils * COURSES_EACH, one, name="CONCAT('crowd-', n.seq)", last_lesson="NULL", **values)
    traces = min(TRACES_EACH, lessons)
    copy(
        "Academy Lesson Progress",
        pupils * COURSES_EACH,
        f"t.enrollment = {frappe.db.escape(enrolled)} AND t.is_completed = 1",
        f"JOIN seq_1_to_{traces} l",
        name="CONCAT('crowd-', n.seq, '-', l.seq)",
        enrollment="CONCAT('crowd-', n.seq)",
        course=values["course"],
        lesson=f"CONCAT('crowd-', {course}, '-', l.seq)",
    )


def _course_of(pupil: int, which: int, courses: int) -> int:
    return (pupil * COURSES_EACH + which) % courses + 1


def _let_in(user: str, enrolled: Any, keys: int) -> str:
    """Give the first pupils keys and a place in the course of the quiz; return the secret that all of them have."""
    secret = frappe.generate_hash(length=15)
    set_encrypted_password("User", user, secret, "api_secret")
    for number in range(1, keys + 1):
        frappe.db.set_value("User", f"crowd-{number}@example.com", "api_key", f"crowd{number}", update_modified=False)
    frappe.db.sql(
        # Nothing but a number is put in.
        "INSERT INTO `__Auth` (doctype, name, fieldname, password, encrypted)"  # noqa: S608
        f" SELECT doctype, CONCAT('crowd-', n.seq, '@example.com'), fieldname, password, encrypted FROM `__Auth`"
        f" JOIN seq_1_to_{keys} n WHERE doctype = 'User' AND name = %s AND fieldname = 'api_secret'",
        user,
    )
    one = f"t.name = {frappe.db.escape(enrolled.name)}"
    copy("Academy Enrollment", keys, one, name="CONCAT('quiz-', n.seq)", student="CONCAT('crowd-', n.seq)")
    return secret


def copy(doctype: str, number: int, where: str, join: str = "", **values: str) -> None:
    """Copy rows so many times; values: SQL for what differs, in which n.seq counts from 1 and t is the row."""
    columns = frappe.db.get_table_columns(doctype)
    selected = ", ".join(values.get(column, f"t.`{column}`") for column in columns)
    into, names = f"INSERT INTO `tab{doctype}`", ", ".join(f"`{column}`" for column in columns)
    source = f"`tab{doctype}` t JOIN seq_1_to_{number} n {join} WHERE {where}"
    frappe.db.sql(f"{into} ({names}) SELECT {selected} FROM {source}")  # noqa: S608 - all of it is this module's own


def show() -> None:
    """Fill a site of the whole size and print what `make` returns, for whoever measures it from outside."""
    print(json.dumps(make()))
