"""Accounts that people make for themselves: whoever reads the mail at an address may choose its password.

No answer says whether an address has an account already: what is done about it, a job does, and a mail says.
"""

import hashlib

import frappe
from frappe.utils import add_days, now_datetime

from lms_app.services import limits, notify, reasons, rights, sign_up_policy, students, visitors

# A class may sign up at once from one address, and each of it ask again for a mail that was lost.
OF_VISITOR_AN_HOUR = 120
OF_ADDRESS_AN_HOUR = 4
# Fewer than the school's, so that nobody keeps all others out who has a network to themselves.
OF_NETWORK_AN_HOUR = 300
# Frappe lets sixty users be made in an hour, which is less than a school has on its first day.
OF_SCHOOL_AN_HOUR = 1000

NO_MAIL = "school_sends_no_mail"
# After so many days an account goes again that nobody ever used.
UNPROVEN_DAYS = 30
_KNOWN = ("name", "email", "enabled", "last_login")


def terms(*, is_invited: bool = False) -> frappe._dict:
    """Return how accounts are made here: domains (whose addresses alone may), and reason (why not; or empty)."""
    settings = frappe.get_cached_doc("Academy Settings")
    shut = sign_up_policy.shut(settings.sign_up or sign_up_policy.INVITED, is_invited=is_invited)
    allowed = [] if is_invited else sign_up_policy.domains(settings.sign_up_domains)
    return frappe._dict(domains=allowed, reason=shut or ("" if notify.can_send() else NO_MAIL))


def write_policy() -> None:
    """Write down what holds where nothing was chosen, so that the form of the settings shows it."""
    if not frappe.db.get_single_value("Academy Settings", "sign_up"):
        frappe.db.set_single_value("Academy Settings", "sign_up", sign_up_policy.INVITED)


def ask(email: str, name: str, target: str, visitor: str, *, invitation: frappe._dict | None = None) -> None:
    """Ask for an account; a mail says what came of it.

    target: the page to go on with. visitor: who is counted for asking often. invitation: what `invitations.look` says
    of a link that serves. Raises RefusedError with the reason why nobody could be given an account this way, whether
    they have one or not.
    """
    is_invited = invitation is not None
    email, name = sign_up_policy.plain(email).lower(), sign_up_policy.plain(name)
    found = terms(is_invited=is_invited)
    reasons.refuse(found.reason)
    reasons.refuse(sign_up_policy.obstacle(email, name, found.domains, is_invited=is_invited))
    limits.count("sign_up_of_visitor", visitor, most=OF_VISITOR_AN_HOUR, seconds=limits.AN_HOUR)
    network = visitors.network(visitor)
    limits.count("sign_up_of_network", network, most=OF_NETWORK_AN_HOUR, seconds=limits.AN_HOUR)
    address = hashlib.sha256(email.encode()).hexdigest()
    limits.count("sign_up_of_address", address, most=OF_ADDRESS_AN_HOUR, seconds=limits.AN_HOUR)
    if invitation and not invitation.email:
        # A link is for so many, and each of them may ask again for a mail that was lost.
        limits.count("sign_up_by", invitation.name, most=2 * invitation.max_uses, seconds=limits.A_DAY)
    limits.count("sign_up", "all", most=OF_SCHOOL_AN_HOUR, seconds=limits.AN_HOUR)
    frappe.enqueue(
        "lms_app.services.sign_up.welcome",
        queue="short",
        enqueue_after_commit=True,
        email=email,
        full_name=name,
        target=sign_up_policy.target(target),
        language=frappe.local.lang,
    )


def welcome(email: str, full_name: str, target: str, language: str) -> None:
    """Make an account and write to its address, or say there that it has one; a job runs it.

    Who has never logged in gets the link to choose a password once more. Who was shut out of the school gets nothing.
    """
    known = frappe.db.get_value("User", email, _KNOWN, as_dict=True) or frappe.db.get_value(
        "User", {"email": email}, _KNOWN, as_dict=True
    )
    if known and known.email.lower() != email:
        # The database takes some letters for others that look alike, and no mail system does.
        return
    if known and not known.enabled:
        return
    if known and (known.last_login or known.name in frappe.STANDARD_USERS):
        notify.has_account(email, target)
    else:
        user = known.name if known else _make(email, full_name, language)
        # The page on which a password is chosen leads there, once; what Frappe's own sign-up writes into the cache
        # may be gone by the time the mail is read.
        frappe.db.set_value("User", user, "redirect_url", target, update_modified=False)
        notify.prove(email, frappe.get_doc("User", user).reset_password())
    # Whoever waits for it sits before the page: not with the next round of mails.
    frappe.enqueue("frappe.email.queue.flush", queue="short", enqueue_after_commit=True)


def forget_unproven() -> None:
    """Remove accounts that were asked for, and that nobody ever logged in to or changed; a job runs it once a day."""
    unproven = frappe.db.sql(
        "SELECT u.name FROM `tabUser` u WHERE u.owner = %(guest)s AND u.modified_by = %(guest)s"
        " AND u.user_type = 'Website User'"
        " AND u.last_login IS NULL AND COALESCE(u.last_reset_password_key_generated_on, u.creation) < %(before)s"
        " AND NOT EXISTS (SELECT 1 FROM `__Auth` a WHERE a.doctype = 'User' AND a.name = u.name)"
        " AND NOT EXISTS (SELECT 1 FROM `tabAcademy Enrollment` e JOIN `tabAcademy Student` s ON s.name = e.student"
        " WHERE s.user = u.name)",
        {"guest": rights.GUEST, "before": add_days(now_datetime(), -UNPROVEN_DAYS)},
    )
    for (user,) in unproven:
        try:
            _forget(user)
        except frappe.LinkExistsError:
            # Something of the school's names them, and so it knows them.
            frappe.db.rollback()
            frappe.clear_messages()
        # Each by itself, so that one whom something holds keeps no others.
        frappe.db.commit()


def _forget(user: str) -> None:
    frappe.db.delete("Academy Student", {"user": user})
    for contact in frappe.get_all("Contact", {"user": user, "owner": rights.GUEST}, pluck="name"):
        frappe.delete_doc("Contact", contact, ignore_permissions=True, delete_permanently=True)
    frappe.delete_doc("User", user, ignore_permissions=True, delete_permanently=True)


def _make(email: str, full_name: str, language: str) -> str:
    """Return the name of a new user, a pupil without a password."""
    user = frappe.get_doc(
        {
            "doctype": "User",
            "email": email,
            "first_name": full_name,
            "user_type": "Website User",
            "language": language if frappe.db.exists("Language", language) else None,
            "send_welcome_email": 0,
        }
    )
    user.flags.no_welcome_mail = True
    frappe.local.conf.throttle_user_limit = OF_SCHOOL_AN_HOUR
    user.insert(ignore_permissions=True)
    students.ensure(user.name)
    return user.name
