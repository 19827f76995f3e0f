"""What the school writes to its pupils and teachers, in the language of whoever gets it, and only if they want it."""

from collections.abc import Sequence

import frappe
from frappe import _
from frappe.utils import get_url

from lms_app.services import branding, dates, rights, seats, teacher_mails
from lms_app.services.languages import speaking

ENROLMENT, PROGRESS = "mails_about_enrolment", "mails_about_progress"


def moved(enrollment: str, state: str) -> None:
    """Tell a pupil in which state an enrolment is now, and the teachers if it waits for them."""
    row = _row(enrollment)
    with speaking(row.language):
        told = {
            seats.ACTIVE: (_("You are enrolled: {0}"), _("Your place is ready. Begin whenever you like.")),
            seats.COMPLETED: (_("You are enrolled: {0}"), _("What you did in the course is kept.")),
            seats.WAITLISTED: (
                _("You are on the waitlist: {0}"),
                _("All seats are taken. The next one that becomes free is yours, in the order of the list."),
            ),
            seats.PENDING_APPROVAL: (_("We have your request: {0}"), _("The school will answer it soon.")),
            seats.EXPIRED: (_("Your access has ended: {0}"), _("What you did in the course is kept.")),
            seats.SUSPENDED: (
                _("Your access is suspended: {0}"),
                _("The school keeps you out of the lessons for now. What you did in the course is kept."),
            ),
        }.get(state)
        if told:
            subject, sentence = told
            _write_to_pupil(row, ENROLMENT, subject.format(row.title), [sentence])
    if state == seats.PENDING_APPROVAL:
        _ask_teachers(row)


def all_moved(enrolments: Sequence[tuple[str, str]]) -> None:
    """Tell pupils in which state their enrolments are now, by name and state, where that still holds; a job runs it."""
    for enrollment, state in enrolments:
        if frappe.db.get_value("Academy Enrollment", enrollment, "state") == state:
            moved(enrollment, state)


def resumed(enrollment: str) -> None:
    """Tell a pupil who was suspended that the lessons are open to them again."""
    row = _row(enrollment)
    with speaking(row.language):
        sentence = _("You can go on where you stopped.")
        _write_to_pupil(row, ENROLMENT, _("You may learn again: {0}").format(row.title), [sentence])


def removed(enrollment: str) -> None:
    """Tell a pupil that a teacher has taken them out of a course."""
    row = _row(enrollment)
    with speaking(row.language):
        sentence = _("The school has taken you out of the course. What you did in it is kept.")
        _write_to_pupil(row, ENROLMENT, _("You are not in the course any more: {0}").format(row.title), [sentence])


def declined(enrollment: str) -> None:
    """Tell a pupil that a request was not accepted, with the school's own words if there are any."""
    row = _row(enrollment)
    with speaking(row.language):
        sentences = [_("The school could not accept your request."), *([row.answer] if row.answer else [])]
        _write_to_pupil(row, ENROLMENT, _("Your request: {0}").format(row.title), sentences)


def completed(enrollment: str) -> None:
    """Congratulate a pupil who has completed a course."""
    row = _row(enrollment)
    with speaking(row.language):
        _write_to_pupil(
            row,
            PROGRESS,
            _("Completed: {0}").format(row.title),
            [_("You have completed every required lesson. Well done!")],
        )


def certified(enrollment: str, code: str) -> None:
    """Tell a pupil that the certificate of a completed course is there."""
    row = _row(enrollment)
    if not (row.enabled and row[PROGRESS]):
        return
    with speaking(row.language):
        _send(
            row.email,
            _("Your certificate: {0}").format(row.title),
            {
                "name": row.full_name,
                "sentences": [_("You can print your certificate, and show others where to check it.")],
                "address": get_url(f"/learn/me/certificates/{code}"),
                "action": _("See the certificate"),
                "preferences": get_url("/learn/me/settings"),
            },
            enrollment=row.name,
        )


def graded(submission: str) -> None:
    """Tell a pupil that a teacher has graded their work; what it is worth is said on the page alone."""
    row = _work(submission)
    with speaking(row.language):
        _write_about_work(row, _("Graded: {0}").format(row.work), _("Your teacher has graded what you handed in."))


def answers_graded(attempt: str) -> None:
    """Tell a pupil that a teacher has graded the last of their answers in a quiz; the rest is said on its page."""
    found = frappe.db.get_value("Academy Quiz Attempt", attempt, ["enrollment", "quiz"], as_dict=True)
    row = _row(found.enrollment)
    row.page, row.work = f"/learn/attempt/{attempt}", frappe.db.get_value("Academy Quiz", found.quiz, "title")
    with speaking(row.language):
        _write_about_work(row, _("Graded: {0}").format(row.work), _("Your teacher has graded your answers."))


def given_back(submission: str) -> None:
    """Tell a pupil that a teacher gave their work back, and until when it is in time again."""
    row = _work(submission)
    with speaking(row.language):
        sentence = _("Your teacher has given your work back. Read what can be made better, and hand it in again.")
        until = _("It is in time until {0}.").format(dates.moment(row.again_until)) if row.again_until else ""
        _write_about_work(row, _("Once more: {0}").format(row.work), sentence, until)


def work_waits(user: str, courses: Sequence[tuple[str, int]]) -> None:
    """Tell a teacher how much waits for a grade, by the titles of their courses."""
    teacher = frappe.db.get_value("User", user, ["email", "full_name", "language"], as_dict=True)
    with speaking(teacher.language or frappe.local.lang):
        counted = [
            f"{title}: {_('1 to grade') if number == 1 else _('{0} to grade').format(number)}"
            for title, number in courses
        ]
        _send(
            teacher.email,
            _("Work to grade"),
            {
                "name": teacher.full_name,
                "sentences": [_("Pupils have handed in work that waits for a grade."), *counted],
                "address": get_url("/teach/grading"),
                "action": _("Grade it"),
                "preferences": get_url("/learn/me/settings"),
            },
        )


def invited(email: str, course: str, token: str) -> None:
    """Send somebody the link of an invitation; the only place that ever holds it."""
    title = frappe.db.get_value("Academy Course", course, "title")
    language = frappe.db.get_value("User", {"email": email}, "language")
    with speaking(language or frappe.local.lang):
        _send(
            email,
            _("You are invited: {0}").format(title),
            {
                "name": "",
                "sentences": [_("The school invites you to this course.")],
                "address": get_url(f"/i/{token}"),
                "action": _("Accept the invitation"),
                "preferences": "",
            },
        )


def prove(email: str, link: str) -> None:
    """Send the link by which whoever reads the mails of an address chooses the password of a new account."""
    _write_about_account(
        email,
        [
            _("Somebody, probably you, asked for an account with this address."),
            _("Choose a password: then the account is yours, and you are logged in."),
            _("If it was not you, do nothing: without a password nobody can use it."),
        ],
        link,
        _("Choose a password"),
    )


def has_account(email: str, target: str) -> None:
    """Tell whoever asked for an account that their address has one."""
    _write_about_account(
        email,
        [
            _("Somebody, probably you, asked for an account with this address. It has one already."),
            _("Log in with it. If you have forgotten the password, the page on which you log in helps you to another."),
        ],
        get_url(f"/login?redirect-to={target}"),
        _("Log in"),
    )


def can_send() -> bool:
    """Say whether the school has a way to send mails."""
    account = frappe.db.exists("Email Account", {"enable_outgoing": 1, "default_outgoing": 1})
    return bool(account or frappe.conf.mail_server)


def _write_about_account(email: str, sentences: Sequence[str], address: str, action: str) -> None:
    """Write to an address that nobody has proved to be theirs: with no word that whoever asked could have chosen."""
    subject = _("Your account at {0}").format(branding.brand()["name"])
    words = {"name": "", "sentences": sentences, "address": address, "action": action, "preferences": ""}
    _send(email, subject, words)


def _row(enrollment: str) -> frappe._dict:
    """Return what a mail about an enrolment needs."""
    [row] = frappe.db.sql(
        "SELECT e.name, e.answer, e.message, e.course, c.title, c.slug, u.email, u.full_name, u.enabled,"
        " s.mails_about_enrolment, s.mails_about_progress, u.language"
        " FROM `tabAcademy Enrollment` e JOIN `tabAcademy Course` c ON c.name = e.course"
        " JOIN `tabAcademy Student` s ON s.name = e.student JOIN `tabUser` u ON u.name = s.user WHERE e.name = %s",
        enrollment,
        as_dict=True,
    )
    row.language = row.language or frappe.local.lang
    return row


def _work(submission: str) -> frappe._dict:
    """Return what a mail about handed-in work needs."""
    fields = ["enrollment", "assignment", "again_until"]
    found = frappe.db.get_value("Academy Submission", submission, fields, as_dict=True)
    title = frappe.db.get_value("Academy Assignment", found.assignment, "title")
    return _row(found.enrollment).update(found, work=title, page=f"/learn/assignment/{found.assignment}")


def _write_about_work(row: frappe._dict, subject: str, *sentences: str) -> None:
    if not (row.enabled and row[PROGRESS]):
        return
    _send(
        row.email,
        subject,
        {
            "name": row.full_name,
            "sentences": [sentence for sentence in sentences if sentence],
            "address": get_url(row.page),
            "action": _("See what your teacher says"),
            "preferences": get_url("/learn/me/settings"),
        },
        enrollment=row.name,
    )


def _write_to_pupil(row: frappe._dict, preference: str, subject: str, sentences: Sequence[str]) -> None:
    if not (row.enabled and row[preference]):
        return
    _send(
        row.email,
        subject,
        {
            "name": row.full_name,
            "sentences": sentences,
            "address": get_url(f"/learn/c/{row.slug}"),
            "action": _("Go to the course"),
            "preferences": get_url("/learn/me/settings"),
        },
        enrollment=row.name,
    )


def _ask_teachers(row: frappe._dict) -> None:
    """Tell the leads of a course that somebody wants to join, and where to answer."""
    leads = frappe.db.sql(
        "SELECT u.name, u.email, u.full_name, u.language FROM `tabAcademy Course Instructor` i"
        " JOIN `tabUser` u ON u.name = i.user"
        " WHERE i.parent = %s AND i.parenttype = 'Academy Course' AND i.role = %s AND u.enabled = 1 ORDER BY i.idx",
        (row.course, rights.LEAD),
        as_dict=True,
    )
    for lead in leads:
        if not teacher_mails.preferences(lead.name)[teacher_mails.REQUESTS]:
            continue
        with speaking(lead.language or frappe.local.lang):
            asks = _("{0} asks to join the course.").format(row.full_name)
            _send(
                lead.email,
                _("A request for {0}").format(row.title),
                {
                    "name": lead.full_name,
                    "sentences": [asks, *([row.message] if row.message else [])],
                    "address": get_url(f"/teach/c/{row.slug}/people?group=requests"),
                    "action": _("Open the request"),
                    "preferences": get_url("/learn/me/settings"),
                },
                enrollment=row.name,
            )


def _send(email: str, subject: str, words: dict[str, str | Sequence[str]], *, enrollment: str = "") -> None:
    """Queue a mail, if the school has a way to send one; it leaves only if the transaction is committed.

    enrollment: what it is about, so that it goes when a pupil has all of theirs removed.
    """
    if not can_send():
        return
    about = {"reference_doctype": "Academy Enrollment", "reference_name": enrollment} if enrollment else {}
    frappe.sendmail(
        recipients=[email],
        subject=subject,
        template="academy_mail",
        args={**words, "school": branding.brand()["name"]},
        # Which mails somebody gets is chosen in their settings.
        add_unsubscribe_link=0,
        **about,
    )
