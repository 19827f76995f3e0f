"""The people of a course, as its teachers see them: who is in it, how far, who asks, who waits, and who was invited."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import frappe
from frappe.utils import cint, now_datetime

from lms_app.services import (
    documents,
    enrolment,
    invitations,
    limits,
    moments,
    paging,
    people_table,
    quiz_content,
    reasons,
    rights,
    seats,
)
from lms_app.services.people_table import Line

PAGE = 50
LONGEST_SEARCH = 100
# What a list can be cut down to, by the word in its address.
GROUPS = {
    "requests": (seats.PENDING_APPROVAL, seats.PENDING_PAYMENT),
    "waiting": (seats.WAITLISTED,),
    "learning": (seats.ACTIVE,),
    "completed": (seats.COMPLETED,),
    "suspended": (seats.SUSPENDED,),
    "former": seats.ENDED,
}
# Those who wait for an answer first.
_ORDER = (seats.PENDING_APPROVAL, seats.PENDING_PAYMENT, seats.WAITLISTED)

# What becomes of an address that a teacher brings.
ADD, INVITE, ADDED, INVITED, FULL = "add", "invite", "added", "invited", "full"
THERE, DISABLED, INVITED_BEFORE = "there", "disabled", "invited_before"

# Each may be a mail to somebody who did not ask for it; and each look says whether an address has an account.
BROUGHT_A_DAY, LOOKED_AT_A_DAY = 2000, 3000

MOST_MINUTES, MOST_DAYS, MOST_ATTEMPTS = 10_000, 3650, 100
LONGEST_NOTE = 500

_COLUMNS = (
    "e.name, e.state, e.percent, e.last_seen, e.requested_on, e.waitlisted_on, e.activated_on, e.expires_on,"
    " e.completed_on, e.message, u.full_name, u.email"
)
_JOINED = (
    " FROM `tabAcademy Enrollment` e JOIN `tabAcademy Student` s ON s.name = e.student"
    " JOIN `tabUser` u ON u.name = s.user WHERE e.course = %(course)s"
)


def listed(course: str, search: str = "", group: str = "", page: int = 1) -> frappe._dict:
    """Return a page of those who are in a course, as `paging.page_of` does, and counts by group; in two queries.

    group: one of GROUPS; nothing for all but former pupils. A row has name (of the enrolment), state, percent,
    full_name, email, message, and when it was what. Whoever asks or waits comes first, the longest first.
    """
    states = GROUPS.get(group, seats.LIVE)
    query = (
        f"SELECT {_COLUMNS}, COUNT(*) OVER () total{_JOINED} AND e.state IN %(states)s"
        " AND (INSTR(u.full_name, %(search)s) OR INSTR(u.email, %(search)s))"
        " ORDER BY COALESCE(NULLIF(FIELD(e.state, %(asks)s, %(pays)s, %(waits)s), 0), 9),"
        " IF(e.state IN %(first)s, COALESCE(e.waitlisted_on, e.requested_on, e.creation), NULL), u.full_name, e.name"
        " LIMIT %(limit)s OFFSET %(offset)s"
    )
    values = {
        "course": course,
        "states": states,
        "search": search,
        "asks": _ORDER[0],
        "pays": _ORDER[1],
        "waits": _ORDER[2],
        "first": _ORDER,
        "limit": PAGE,
    }
    shown = paging.page_of(lambda offset: frappe.db.sql(query, {**values, "offset": offset}, as_dict=True), page, PAGE)
    found = dict(
        frappe.db.sql("SELECT state, COUNT(*) FROM `tabAcademy Enrollment` WHERE course = %s GROUP BY state", course)
    )
    return shown.update(
        counts={name: sum(found.get(state, 0) for state in held) for name, held in GROUPS.items()},
        is_empty=not any(found.get(state) for state in seats.LIVE),
    )


def pupil(course: str, enrollment: str) -> frappe._dict:
    """Return one who is in a course, as `listed` does, with quizzes: what each is called, and what was given in it.

    certificate: name, code, issued_on, revoked_on and revoked_reason of theirs, None without one. Raises DeniedError
    for an enrolment that is in another course.
    """
    values = {"course": course, "name": enrollment, "kind": quiz_content.QUIZ}
    rows = frappe.db.sql(
        f"SELECT {_COLUMNS}, e.student, e.answer, e.source{_JOINED} AND e.name = %(name)s",
        values,
        as_dict=True,
    )
    reasons.deny("" if rows else rights.UNKNOWN)
    found = rows[0]
    found.quizzes = frappe.db.sql(
        "SELECT q.name, q.title, q.time_limit, q.attempts, q.closes_on closes, o.extra_minutes, o.extra_attempts,"
        " o.opens_on, o.closes_on, o.note FROM `tabAcademy Quiz` q LEFT JOIN `tabAcademy Override` o ON o.item = q.name"
        " AND o.item_type = %(kind)s AND o.student = %(student)s WHERE q.course = %(course)s ORDER BY q.title, q.name",
        {**values, "student": found.student},
        as_dict=True,
    )
    fields = ["name", "code", "issued_on", "revoked_on", "revoked_reason"]
    found.certificate = frappe.db.get_value("Academy Certificate", {"enrollment": enrollment}, fields, as_dict=True)
    return found


def invited(course: str) -> list[frappe._dict]:
    """Return the invitations to a course that still serve: name, email (empty for a link), uses and expires_on."""
    return frappe.db.sql(
        "SELECT name, email, uses, max_uses, expires_on FROM `tabAcademy Invitation`"
        " WHERE course = %s AND state = 'Open' AND expires_on > %s ORDER BY creation DESC LIMIT 200",
        (course, now_datetime()),
        as_dict=True,
    )


def bring(course: str, email: str, by: str) -> str:
    """Let somebody in whom a teacher names by their address, or invite them; return ADDED or INVITED.

    Raises RefusedError with the reason why neither is possible.
    """
    reasons.refuse(_shut(course))
    found = people_table.read(email)
    reasons.refuse("bad_address" if found.faults or len(found.lines) != 1 else "")
    [line] = found.lines
    count(by)
    [(_, outcome, user)] = _outcomes(course, [line])
    reasons.refuse({THERE: "there_already", DISABLED: "shut_out", INVITED_BEFORE: "invited_before"}.get(outcome, ""))
    if user:
        enrolment.add(course, user, by=by)
        return ADDED
    invitations.invite(course, line.email)
    return INVITED


def look(course: str, text: str, by: str) -> dict[str, Any]:
    """Return what would become of each line of a table: lines (line, email, outcome), and faults (line, words).

    outcome: ADD, INVITE, THERE, INVITED_BEFORE or DISABLED. With a fault nothing of it is taken.
    """
    found = people_table.read(text)
    limits.count("look_at", by, most=LOOKED_AT_A_DAY, seconds=limits.A_DAY, times=len(found.lines))
    return {
        "lines": [
            {"line": line.number, "email": line.email, "outcome": outcome}
            for line, outcome, _ in _outcomes(course, found.lines)
        ],
        "faults": [{"line": fault.line, "words": reasons.words(fault.reason)} for fault in found.faults],
    }


def take(course: str, text: str, by: str) -> dict[str, int]:
    """Let everybody in whom a table names, or invite them; return how many were added, invited, and found it full.

    Raises RefusedError for a table with a fault: nothing of it is taken then.
    """
    found = people_table.read(text)
    reasons.refuse(found.faults[0].reason if found.faults else "")
    reasons.refuse(_shut(course))
    wanted = [(line, user) for line, outcome, user in _outcomes(course, found.lines) if outcome in (ADD, INVITE)]
    count(by, len(wanted))
    new = [line.email for line, user in wanted if not user]
    for email in new:
        invitations.invite(course, email)
    # At last: it locks the course until the end.
    known = [user for _, user in wanted if user]
    full = enrolment.add_many(course, known, by=by) if known else 0
    return {ADDED: len(known) - full, INVITED: len(new), FULL: full}


def count(by: str, times: int = 1) -> None:
    """Count that a teacher brings people; raises RefusedError for more than anybody needs in a day."""
    limits.count("bring", by, most=BROUGHT_A_DAY, seconds=limits.A_DAY, times=times, with_rollback=True)


def export(course: str) -> str:
    """Return everybody who is or was in a course as CSV."""
    rows = frappe.db.sql(
        f"SELECT {_COLUMNS}{_JOINED} ORDER BY u.full_name, e.name",
        {"course": course},
        as_dict=True,
    )
    head = ("name", people_table.COLUMN, "state", "percent", "joined", "last seen", "completed", "access until")
    days = ("activated_on", "last_seen", "completed_on", "expires_on")
    return people_table.write(
        head,
        [
            (row.full_name, row.email, row.state, cint(row.percent), *(_day(row[field]) for field in days))
            for row in rows
        ],
    )


def give(
    enrollment: str, quiz: str, minutes: int, attempts: int, closes_on: str, note: str, opens_on: str = ""
) -> None:
    """Give a pupil more time, more attempts or other times in a quiz; nothing of all takes back what was given.

    Raises RefusedError for numbers out of range, for a day that is none, and for a quiz of another course.
    """
    row = frappe.db.get_value("Academy Enrollment", enrollment, ["student", "course"], as_dict=True)
    reasons.refuse("" if frappe.db.get_value(quiz_content.QUIZ, quiz, "course") == row.course else "foreign_question")
    reasons.refuse("too_long" if len(note) > LONGEST_NOTE else "")
    values = {
        "extra_minutes": minutes,
        "extra_attempts": attempts,
        "opens_on": moments.of_form(opens_on),
        "closes_on": moments.of_form(closes_on),
        "note": note.strip(),
    }
    which = {"item_type": quiz_content.QUIZ, "item": quiz, "student": row.student}
    known = frappe.db.get_value(quiz_content.OVERRIDE, which, "name")
    if not (minutes or attempts or opens_on or closes_on):
        if known:
            frappe.delete_doc(quiz_content.OVERRIDE, known, ignore_permissions=True)
        return
    override = frappe.get_doc(quiz_content.OVERRIDE, known) if known else frappe.new_doc(quiz_content.OVERRIDE)
    override.update({**which, "course": row.course, **values})
    documents.keep(override)


def _outcomes(course: str, lines: Sequence[Line]) -> list[tuple[Line, str, str]]:
    """Return what becomes of each address, and the user whose it is (nothing for none); in two queries."""
    values = {"course": course, "emails": [line.email for line in lines] or [""], "now": now_datetime()}
    values["nobody"] = tuple(frappe.STANDARD_USERS)
    known = {
        row.email.lower(): row
        for row in frappe.db.sql(
            "SELECT u.email, u.name, u.enabled, MAX(e.state IN %(live)s) is_there FROM `tabUser` u"
            " LEFT JOIN `tabAcademy Student` s ON s.user = u.name"
            " LEFT JOIN `tabAcademy Enrollment` e ON e.student = s.name AND e.course = %(course)s"
            " WHERE u.email IN %(emails)s AND u.name NOT IN %(nobody)s GROUP BY u.name, u.email, u.enabled",
            {**values, "live": tuple(state for state in seats.LIVE if state != seats.PENDING_APPROVAL)},
            as_dict=True,
        )
    }
    before = {
        email.lower()
        for (email,) in frappe.db.sql(
            "SELECT email FROM `tabAcademy Invitation` WHERE course = %(course)s AND email IN %(emails)s"
            " AND state = 'Open' AND expires_on > %(now)s",
            values,
        )
    }
    found = []
    for line in lines:
        row = known.get(line.email)
        if row is None:
            found.append((line, INVITED_BEFORE if line.email in before else INVITE, ""))
        else:
            found.append((line, (THERE if row.is_there else ADD) if row.enabled else DISABLED, row.name))
    return found


def _shut(course: str) -> str:
    return rights.enter(frappe.db.get_value("Academy Course", course, "status"))


def _day(moment: datetime | None) -> str:
    return moment.date().isoformat() if moment else ""
