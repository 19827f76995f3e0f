"""What pupils hand in: a version while it is written, its files, and the moment in which it is handed in.

Locks are taken in one order, course before enrolment before submission, so that nobody waits in a circle.
"""

from collections.abc import Iterable
from secrets import token_hex

import frappe
from frappe.core.api.file import get_max_file_size
from frappe.utils import now_datetime

from lms_app.services import (
    assignment_content,
    assignments,
    completion,
    enrolment,
    entrances,
    events,
    media,
    progress,
    reasons,
    rights,
    seats,
    traces,
    uploads,
)
from lms_app.services.assignment_content import ASSIGNMENT, SUBMISSION

LONGEST_TEXT = 50_000
_LOCKED = ("name", "version", "state", "again_until", "file_count")


def history(assignment: str, student: str) -> list[frappe._dict]:
    """Return the versions of a pupil's work, the first one first, with the one that is being written."""
    return frappe.db.sql(
        "SELECT name, enrollment, version, state, text, url, submitted_on, is_late, lost_percent, given, points, most,"
        " percent, is_passed, graded_on, again_until, feedback FROM `tabAcademy Submission`"
        " WHERE assignment = %s AND student = %s ORDER BY version",
        (assignment, student),
        as_dict=True,
    )


def files_of(names: Iterable[str]) -> dict[str, list[frappe._dict]]:
    """Return the files of submissions by their names, in one query: name, file_name, size (bytes) and address each."""
    found: dict[str, list[frappe._dict]] = {name: [] for name in names}
    if not found:
        return found
    rows = frappe.db.sql(
        "SELECT name, attached_to_name, file_name, file_size size FROM tabFile"
        " WHERE attached_to_doctype = %s AND attached_to_name IN %s ORDER BY creation, name",
        (SUBMISSION, tuple(found)),
        as_dict=True,
    )
    for row in rows:
        row.address = media.address(row.name)
        found[row.pop("attached_to_name")].append(row)
    return found


def save(user: str, assignment: str, version: int, text: str = "", url: str = "") -> None:
    """Keep what a pupil has written so far, without handing it in.

    version: the number of what is written, one more than that of the last one handed in. Raises DeniedError for whom
    the assignment is not open, RefusedError with the reason why nothing can be handed in.
    """
    found = _entered(user, assignment)
    locked = _locked(found, version)
    reasons.refuse("" if locked.state == assignments.DRAFT else "already_handed_in")
    frappe.db.set_value(SUBMISSION, locked.name, _written(found.assignment, text, url))


def attach(user: str, assignment: str, version: int, name: str, content: bytes) -> frappe._dict:
    """Add a file to what a pupil is about to hand in; return file (its name), file_name, size and address.

    It is written under a name that nobody can guess, and is nobody's by Frappe's own rules. Raises as `save` does, and
    RefusedError for a file that the assignment does not take.
    """
    found = _entered(user, assignment)
    told = found.assignment
    reasons.refuse("" if told.accepts_files else "no_files_taken")
    locked = _locked(found, version)
    reasons.refuse("" if locked.state == assignments.DRAFT else "already_handed_in")
    reasons.refuse("too_many_files" if locked.file_count >= told.file_count else "")
    plain = assignments.plain_name(name)
    reasons.refuse(
        assignments.file_fault(plain, content, assignments.endings(told.file_types), largest(told.file_size))
    )
    row = {"doctype": "File", "file_name": f"{token_hex(16)}.{assignments.ending(plain)}", "content": content}
    row |= {"is_private": 1, "attached_to_doctype": SUBMISSION, "attached_to_name": locked.name}
    file = frappe.get_doc(row)
    file.flags.is_handed_in = True
    file.insert(ignore_permissions=True)
    # Whoever owns a file may do with it what they like, and Frappe keeps one as long as another one has its hash.
    kept = {"file_name": plain, "owner": "Administrator", "file_size": len(content), "content_hash": token_hex(16)}
    file.db_set(kept, update_modified=False)
    # Counted in the row that is locked: to look for files would lock the places of others' as well.
    frappe.db.set_value(SUBMISSION, locked.name, "file_count", locked.file_count + 1)
    return frappe._dict(file=file.name, file_name=plain, size=len(content), address=media.address(file.name))


def detach(user: str, file: str) -> None:
    """Remove one's own file from what is not handed in yet."""
    rows = frappe.db.sql(
        "SELECT w.name, w.enrollment FROM tabFile f JOIN `tabAcademy Submission` w"
        " ON f.attached_to_doctype = %s AND w.name = f.attached_to_name"
        " JOIN `tabAcademy Student` s ON s.name = w.student WHERE f.name = %s AND s.user = %s",
        (SUBMISSION, file, user),
        as_dict=True,
    )
    reasons.deny("" if rows else rights.UNKNOWN)
    _lock_enrolment(rows[0].enrollment)
    locked = frappe.db.get_value(SUBMISSION, rows[0].name, _LOCKED, as_dict=True, for_update=True)
    reasons.refuse("" if locked.state == assignments.DRAFT else "already_handed_in")
    # Another window may have removed it; only a locking read sees that.
    reasons.deny("" if frappe.db.get_value("File", file, "name", for_update=True) else rights.UNKNOWN)
    traces.remove("File", {"name": file})
    frappe.db.set_value(SUBMISSION, locked.name, "file_count", locked.file_count - 1)


def submit(user: str, assignment: str, version: int, text: str = "", url: str = "") -> str:
    """Hand in a version, with the files that were added to it; return its name.

    The same version again changes nothing. Raises as `save` does, and RefusedError for one with nothing in it.
    """
    found = _entered(user, assignment)
    enrolment.lock(found.course.name)
    locked = _locked(found, version)
    if locked.state != assignments.DRAFT:
        return locked.name
    values = _written(found.assignment, text, url)
    reasons.refuse("" if locked.file_count or any(values.values()) else "nothing_handed_in")
    now, due_on = now_datetime(), locked.rules.due_on
    values |= {"state": assignments.SUBMITTED, "submitted_on": now, "due_on": due_on}
    values |= {"is_late": int(assignments.is_late(locked.rules, now)), "again_until": locked.until}
    frappe.db.set_value(SUBMISSION, locked.name, values)
    for before in locked.before:
        _replace(before.name)
    student, course = found.enrolment.student, found.course.name
    events.log(student, events.SUBMITTED, (ASSIGNMENT, assignment), course, {"version": version})
    if found.lesson.completion_rule == completion.SUBMITTED:
        progress.fulfil(found.enrolment.name, found.lesson.name)
    return locked.name


def judge_times(assignment: str, student: str = "") -> None:
    """Say anew what is late of what waits for a grade, of all pupils or one, because the dates changed."""
    wanted = {"assignment": assignment, "state": assignments.SUBMITTED, **({"student": student} if student else {})}
    told = assignment_content.of(assignment)
    for row in frappe.get_all(SUBMISSION, wanted, ["name", "student", "submitted_on", "again_until"]):
        rules = assignments.again(assignment_content.rules(told, row.student), row.again_until)
        values = {"due_on": rules.due_on, "is_late": int(assignments.is_late(rules, row.submitted_on))}
        frappe.db.set_value(SUBMISSION, row.name, values)


def largest(megabytes: int) -> int:
    """Return how many megabytes a file may have: as an assignment says, and no more than the school takes at all."""
    most = min(uploads.at_once(), max(1, get_max_file_size() // assignments.MEGABYTE))
    return min(megabytes, most) if megabytes else most


def _entered(user: str, assignment: str) -> frappe._dict:
    """Return what stands around an assignment that is open to a pupil."""
    found = assignment_content.entrance(user, assignment)
    entrances.demand(found)
    return found


def _locked(found: frappe._dict, version: int) -> frappe._dict:
    """Return a version of a pupil's work, locked after the enrolment, and made if it is the next one.

    Beside its fields: before (the versions handed in before, in this run of the course), rules (as they are for it) and
    until (see `assignments.again`). Raises RefusedError for one that cannot be handed in any more, MalformedError for
    a number that no page of ours sends.
    """
    told, student = found.assignment, found.enrolment.student
    _lock_enrolment(found.enrolment.name)
    known = history(told.name, student)
    earlier = [row for row in known if row.version < version]
    last = earlier[-1].version if earlier else 0
    is_next = version == last + 1 and all(row.state != assignments.DRAFT for row in earlier)
    reasons.reject("" if is_next else "unknown_version")
    # A run of a course has versions of its own, whatever became of those in one before.
    before = [row for row in earlier if row.enrollment == found.enrolment.name]
    name = next((row.name for row in known if row.version == version), None) or _begin(found, version)
    locked = frappe.db.get_value(SUBMISSION, name, _LOCKED, as_dict=True, for_update=True)
    is_again = bool(before) and before[-1].state == assignments.RETURNED
    locked.before, locked.until = before, before[-1].again_until if is_again else None
    locked.rules = assignments.again(assignment_content.rules(told, student), locked.until)
    if locked.state == assignments.DRAFT:
        reasons.refuse(assignments.obstacle(locked.rules, [row.state for row in before], now_datetime()))
    return locked


def _begin(found: frappe._dict, version: int) -> str:
    """Write down that a pupil begins a version; return its name, or that of the same one by another window."""
    keys = {"assignment": found.assignment.name, "student": found.enrolment.student, "version": version}
    values = {"course": found.course.name, "lesson": found.lesson.name, "enrollment": found.enrolment.name}
    draft = frappe.get_doc({"doctype": SUBMISSION, "state": assignments.DRAFT, **keys, **values})
    try:
        draft.db_insert()
    except frappe.UniqueValidationError:
        # Another window was first, after this transaction had taken its picture; only a locking read sees it.
        frappe.clear_last_message()
        return frappe.db.get_value(SUBMISSION, keys, "name", for_update=True)
    return draft.name


def _lock_enrolment(enrollment: str) -> None:
    state = frappe.db.get_value("Academy Enrollment", enrollment, "state", for_update=True)
    reasons.deny("" if state in seats.LEARNING else rights.OF_STATE.get(state, rights.NOT_ENROLLED))


def _written(told: frappe._dict, text: str, url: str) -> dict[str, str | None]:
    """Return what a pupil wrote as it is kept; raises RefusedError for what nobody could read."""
    text, url = text.strip(), url.strip()
    reasons.refuse("too_long" if len(text) > LONGEST_TEXT or len(url) > assignments.LONGEST_URL else "")
    reasons.reject("unexpected" if (text and not told.accepts_text) or (url and not told.accepts_url) else "")
    reasons.refuse("" if not url or assignments.is_web_address(url) else "bad_url")
    return {"text": text or None, "url": url or None}


def _replace(name: str) -> None:
    """Let a version that waits for a grade wait no longer, because a newer one does."""
    if frappe.db.get_value(SUBMISSION, name, "state", for_update=True) == assignments.SUBMITTED:
        frappe.db.set_value(SUBMISSION, name, "state", assignments.REPLACED)
