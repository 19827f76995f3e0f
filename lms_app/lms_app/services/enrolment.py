"""Joining and leaving courses: who gets a seat, who waits for one, and who decides.

Every change locks the course first, then the enrolment. What is counted under the lock is counted by locking reads:
others would see the table as it was when the transaction began, and a seat could be given twice.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import frappe
from frappe.utils import now_datetime

from lms_app.services import access, events, notify, reasons, rights, seats, students, traces

LONGEST_MESSAGE = 2000
_TERMS = (
    *("name", "title", "slug", "status", "visibility", "enrolment_mode", "seats", "has_waitlist"),
    *("enrol_from", "enrol_until", "access_days"),
)

_ENROLMENT = ("name", "student", "course", "state", "activated_on", "expires_on", "completed_on", "invitation")
# What says more of a pupil than that the school let them in, and for how long.
_PERSONAL = ("message", "answer", "last_lesson", "last_seen", "requested_on", "waitlisted_on", "completed_on")
# States that joining anew may not take away.
_LASTING = (seats.SUSPENDED, seats.EXPIRED)


def join(user: str, course: str, message: str = "", run_key: str = "") -> frappe._dict:
    """Let somebody join a course by themselves; return the enrolment: name, state.

    The state is Active, Waitlisted or Pending Approval, or Completed for whoever comes back and has nothing left to do.
    Whoever comes back has the days of access that are left. Raises RefusedError with the reason why they cannot.
    """
    if len(message) > LONGEST_MESSAGE:
        reasons.refuse("too_long")
    locked = lock(course)
    student = students.ensure(user)
    terms, now = _terms(locked), now_datetime()
    known = _known(student, course, run_key)
    reasons.refuse(_may_not_come(known, is_invited=False) or rights.enter(locked.status))
    reasons.refuse(seats.obstacle(terms, now, lacks_prerequisites=bool(missing_prerequisites(user, course))))
    state = seats.PENDING_APPROVAL if terms.mode == seats.APPROVAL else _place(locked, terms, known)
    enrolled = _enrol(locked, student, known, state, run_key=run_key, source="Self", message=message.strip())
    settle(locked)
    return enrolled


def admit(user: str, locked: frappe._dict, source: str, *, invitation: str = "", by: str = "") -> frappe._dict:
    """Let somebody into a locked course whom the school wants there: only seats are in their way.

    source: Invitation or Staff. Return the enrolment: name, state; Active or Waitlisted, or Completed for whoever comes
    back and has nothing left to do. Days of access begin anew.
    """
    enrolled = _admit(user, locked, source, invitation=invitation, by=by)
    settle(locked)
    return enrolled


def add(course: str, user: str, by: str) -> frappe._dict:
    """Let a teacher enrol somebody; return the enrolment: name, state.

    Raises RefusedError for a course that is not open to pupils: they would be told to begin, and find nothing.
    """
    locked = lock(course)
    reasons.refuse(rights.enter(locked.status))
    return admit(user, locked, "Staff", by=by)


def add_many(course: str, users: Sequence[str], by: str) -> int:
    """Let a teacher enrol many; return how many of them found no seat. They are told by a job, once all are in."""
    locked = lock(course)
    reasons.refuse(rights.enter(locked.status))
    rows = [row for user in users if (row := _admit_if_room(user, locked, by))]
    settle(locked)
    frappe.enqueue(
        "lms_app.services.notify.all_moved",
        enqueue_after_commit=True,
        enrolments=[(row.name, row.state) for row in rows],
    )
    return len(users) - len(rows)


def _admit_if_room(user: str, locked: frappe._dict, by: str) -> frappe._dict | None:
    try:
        return _admit(user, locked, "Staff", by=by, is_told=False)
    except reasons.RefusedError as fault:
        # Nothing was written for this one, and the next may have been here before, and need no seat.
        if fault.reason != seats.FULL:
            raise
        frappe.clear_last_message()
        return None


def _admit(
    user: str, locked: frappe._dict, source: str, *, invitation: str = "", by: str = "", is_told: bool = True
) -> frappe._dict:
    """Let somebody in as `admit` does, without giving away seats that have become free."""
    student = students.ensure(user)
    known = _known(student, locked.name, "")
    # A link for many lets nobody in anew who came by it before.
    is_again = bool(known and invitation) and known.invitation == invitation
    reasons.refuse(_may_not_come(known, is_invited=not is_again))
    state = _place(locked, _terms(locked), known)
    if known and not is_again:
        _renew(known)
    values = {"source": source, "invitation": invitation or None, "decided_by": by or None}
    return _enrol(locked, student, known, state, is_told=is_told, **values)


def decide(enrollment: str, *, accept: bool, by: str, answer: str = "") -> str:
    """Answer a request to join; return the new state: Active, Waitlisted, Completed or Cancelled.

    Raises RefusedError for what is no request, and for accepting one into a course that is not open to pupils.
    """
    locked, row = _lock_enrolment(enrollment)
    reasons.refuse("" if row.state == seats.PENDING_APPROVAL else "not_pending")
    reasons.refuse(rights.enter(locked.status) if accept else "")
    words = {"answer": answer.strip()[:LONGEST_MESSAGE], "decided_by": by}
    if accept:
        state = _place(locked, _terms(locked), row)
        if is_over(row):
            _renew(row)
        _move(locked, row, state, source="Approval", **words)
    else:
        state = seats.CANCELLED
        _move(locked, row, state, **words)
        notify.declined(row.name)
    settle(locked)
    return state


def leave(user: str, course: str) -> None:
    """Let somebody leave a course; what they did in it stays, and their seat goes to whoever waits.

    Raises RefusedError for those who are not in it, and for those who are suspended: they would come back as new.
    """
    locked = lock(course)
    row = access.enrolment_of(user, course)
    reasons.refuse("" if row and row.state in seats.LIVE else "not_enrolled")
    reasons.refuse("suspended" if row.state == seats.SUSPENDED else "")
    _cancel(locked, row.name)


def remove(enrollment: str, by: str) -> None:
    """Let a teacher take somebody out of a course."""
    locked, row = _lock_enrolment(enrollment)
    reasons.refuse("" if row.state in seats.LIVE else "not_enrolled")
    _cancel(locked, row.name, decided_by=by)
    notify.removed(row.name)


def suspend(enrollment: str, by: str) -> None:
    """Keep a pupil out of the lessons for a while; the seat stays theirs."""
    locked, row = _lock_enrolment(enrollment)
    reasons.refuse("" if row.state == seats.ACTIVE else "not_active")
    _move(locked, row, seats.SUSPENDED, decided_by=by)
    settle(locked)


def resume(enrollment: str, by: str) -> None:
    """Let a suspended pupil learn again."""
    locked, row = _lock_enrolment(enrollment)
    reasons.refuse("" if row.state == seats.SUSPENDED else "not_suspended")
    _set(row.name, {"state": seats.ACTIVE, "decided_by": by})
    notify.resumed(row.name)
    settle(locked)


def lay_bare(student: str) -> list[str]:
    """Leave nothing of a pupil's enrolments but what only the school may undo; return the names of those with some.

    That is a suspension, and from when to when access lasts. Whoever calls has locked the courses, and settles them.
    """
    rows = frappe.db.get_values(
        "Academy Enrollment", {"student": student}, ["name", "state", "expires_on"], as_dict=True, for_update=True
    )
    kept = [row for row in rows if row.expires_on or row.state in _LASTING]
    for row in kept:
        state = row.state if row.state in _LASTING else seats.CANCELLED
        _set(row.name, {**dict.fromkeys((*_PERSONAL, *traces.BESIDE)), "percent": 0, "state": state})
    return [row.name for row in kept]


def expire_overdue() -> None:
    """End every access whose time is over, and give the seats to whoever waits; a job runs it once a day."""
    overdue = frappe.get_all(
        "Academy Enrollment",
        {"state": ("in", (*seats.LEARNING, seats.SUSPENDED, seats.WAITLISTED)), "expires_on": ("<", now_datetime())},
        pluck="name",
    )
    for name in overdue:
        try:
            _expire(name)
        except Exception:
            # The others shall not stay open for it, nor their seats taken.
            frappe.db.rollback()
            frappe.log_error(
                "An access could not be ended", reference_doctype="Academy Enrollment", reference_name=name
            )
        # Each by itself, so that no course stays locked for all of them.
        frappe.db.commit()


def _expire(enrollment: str) -> None:
    locked, row = _lock_enrolment(enrollment)
    if is_over(row) and row.state in seats.LIVE:
        _move(locked, row, seats.EXPIRED)
        settle(locked)


def lock(course: str) -> frappe._dict:
    """Return what a course says about joining, locked until the end of the transaction."""
    row = frappe.db.get_value(access.COURSE, course, _TERMS, as_dict=True, for_update=True)
    reasons.refuse("" if row else "unknown")
    return row


def settle(locked: frappe._dict) -> None:
    """Give free seats of a locked course to those who have waited longest, and write down how many there are."""
    found = _counts(locked.name)
    taken, waiting = _taken(found), found.get(seats.WAITLISTED, 0)
    promoted = seats.promotable(locked.seats, taken, waiting) if locked.status == "Published" else 0
    for name in _first_in_queue(locked.name, promoted):
        _, row = _lock_enrolment(name)
        _move(locked, row, seats.ACTIVE)
    learning = sum(found.get(state, 0) for state in seats.LEARNING) + promoted
    counters = {"learner_count": learning, "taken_seats": taken + promoted, "waiting_count": waiting - promoted}
    frappe.db.set_value(access.COURSE, locked.name, counters, update_modified=False)


def missing_prerequisites(user: str, course: str) -> list[frappe._dict]:
    """Return the courses that somebody has to complete first: title, slug."""
    return frappe.db.sql(
        "SELECT c.title, c.slug FROM `tabAcademy Course Prerequisite` p"
        " JOIN `tabAcademy Course` c ON c.name = p.requires"
        " WHERE p.parent = %(course)s AND p.parenttype = 'Academy Course' AND NOT EXISTS (SELECT 1 FROM"
        " `tabAcademy Enrollment` e JOIN `tabAcademy Student` s ON s.name = e.student"
        " WHERE s.user = %(user)s AND e.course = p.requires AND e.completed_on IS NOT NULL) ORDER BY p.idx",
        {"course": course, "user": user},
        as_dict=True,
    )


def is_over(enrolled: frappe._dict | None) -> bool:
    """Say whether somebody's days of access are used up."""
    return bool(enrolled and enrolled.expires_on and enrolled.expires_on < now_datetime())


def _terms(locked: frappe._dict) -> seats.Terms:
    return seats.Terms(
        mode=locked.enrolment_mode,
        seats=locked.seats,
        has_waitlist=bool(locked.has_waitlist),
        enrol_from=locked.enrol_from,
        enrol_until=locked.enrol_until,
    )


def _may_not_come(known: frappe._dict | None, *, is_invited: bool) -> str:
    """Return the reason why an enrolment that is there already is in the way."""
    if known and (known.state == seats.EXPIRED or (known.state == seats.CANCELLED and is_over(known))):
        # Otherwise days of access could be had without end.
        return "" if is_invited else "expired"
    if not known or known.state == seats.CANCELLED:
        return ""
    if is_invited and known.state in (seats.PENDING_APPROVAL, seats.PENDING_PAYMENT):
        return ""
    return "already_enrolled"


def _place(locked: frappe._dict, terms: seats.Terms, known: frappe._dict | None) -> str:
    """Return where there is room: Active or Waitlisted; raises RefusedError if there is none.

    Whoever completed the course once has nothing to do in it that would take a seat: Completed.
    """
    if known and known.completed_on:
        return seats.COMPLETED
    found = _counts(locked.name)
    state = seats.place(terms, _taken(found), found.get(seats.WAITLISTED, 0))
    reasons.refuse(seats.FULL if state == seats.FULL else "")
    return state


def _counts(course: str) -> dict[str, int]:
    """Return how many enrolments of a locked course are in which state."""
    rows = frappe.db.sql(
        "SELECT state, COUNT(*) FROM `tabAcademy Enrollment` WHERE course = %s GROUP BY state LOCK IN SHARE MODE",
        course,
    )
    return dict(rows)


def _taken(found: dict[str, int]) -> int:
    return sum(found.get(state, 0) for state in seats.HOLDING)


def _known(student: str, course: str, run_key: str) -> frappe._dict | None:
    values = {"student": student, "course": course, "run_key": run_key}
    return frappe.db.get_value("Academy Enrollment", values, _ENROLMENT, as_dict=True, for_update=True)


def _lock_enrolment(enrollment: str) -> tuple[frappe._dict, frappe._dict]:
    """Return a course and one of its enrolments, locked in this order."""
    course = frappe.db.get_value("Academy Enrollment", enrollment, "course")
    reasons.refuse("" if course else "unknown")
    locked = lock(course)
    return locked, frappe.db.get_value("Academy Enrollment", enrollment, _ENROLMENT, as_dict=True, for_update=True)


def _first_in_queue(course: str, number: int) -> list[str]:
    if not number:
        return []
    rows = frappe.db.sql(
        "SELECT name FROM `tabAcademy Enrollment` WHERE course = %s AND state = %s"
        " ORDER BY waitlisted_on, creation, name LIMIT %s FOR UPDATE",
        (course, seats.WAITLISTED, number),
    )
    return [name for (name,) in rows]


def _enrol(
    locked: frappe._dict,
    student: str,
    known: frappe._dict | None,
    state: str,
    *,
    run_key: str = "",
    is_told: bool = True,
    **values: str | None,
) -> frappe._dict:
    """Write down that somebody comes into a course, anew or again; return the enrolment: name, state."""
    if known is None:
        enrollment = frappe.get_doc(
            {"doctype": "Academy Enrollment", "student": student, "course": locked.name, "run_key": run_key}
        )
        enrollment.update({"state": seats.CANCELLED, **values})
        enrollment.insert(ignore_permissions=True)
        known = frappe._dict(name=enrollment.name, student=student, activated_on=None, expires_on=None)
    known.course = locked.name
    _move(locked, known, state, is_told=is_told, requested_on=now_datetime(), ended_on=None, **values)
    return frappe._dict(name=known.name, state=state)


def _move(
    locked: frappe._dict, row: frappe._dict, state: str, *, is_told: bool = True, **values: str | datetime | None
) -> None:
    """Bring an enrolment into another state, with the times that belong to it and what others are told of it."""
    now = now_datetime()
    if state in seats.LEARNING:
        values["waitlisted_on"] = None
        # Who was here before goes on with what is left of their time: leaving and coming back is no way to more.
        if not row.activated_on:
            values["activated_on"] = now
            values["expires_on"] = now + timedelta(days=locked.access_days) if locked.access_days else None
        events.log(row.student, events.REGISTERED, (access.COURSE, locked.name), locked.name)
    elif state == seats.WAITLISTED:
        values["waitlisted_on"] = now
    elif state in seats.ENDED:
        values |= {"ended_on": now, "waitlisted_on": None}
        if row.activated_on:
            events.log(row.student, events.UNREGISTERED, (access.COURSE, locked.name), locked.name)
    _set(row.name, {"state": state, **values})
    if is_told:
        notify.moved(row.name, state)


def _renew(row: frappe._dict) -> None:
    """Let somebody's days of access begin again, when they are let in."""
    anew: dict[str, str | datetime | None] = {"activated_on": None, "expires_on": None}
    row.update(anew)
    _set(row.name, anew)


def _cancel(locked: frappe._dict, enrollment: str, **values: str) -> None:
    _, row = _lock_enrolment(enrollment)
    _move(locked, row, seats.CANCELLED, **values)
    settle(locked)


def _set(enrollment: str, values: dict[str, str | datetime | None]) -> None:
    frappe.db.set_value("Academy Enrollment", enrollment, values)
