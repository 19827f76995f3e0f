"""Accounts that people make for themselves: whoever reads the mail at an address may choose its password.

No answer says whether an address has an account already: what is done about it, a job does, and a mail says.
"""

import hashlib

import frappe

from lms_app.services import limits, notify, reasons, sign_up_policy, students

# A class may sign up at once from one address, and each of it ask again for a mail that was lost.
OF_VISITOR_AN_HOUR = 120
OF_ADDRESS_AN_HOUR = 4
# Frappe lets sixty users be made in an hour, which is less than a school has on its first day.
OF_SCHOOL_AN_HOUR = 1000

NO_MAIL = "school_sends_no_mail"
_KNOWN = ("name", "enabled", "last_login")


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


def ask(email: str, name: str, target: str, visitor: str, *, is_invited: bool = False) -> None:
    """Ask for an account; a mail says what came of it.

    target: the page to go on with. visitor: who is counted for asking often. is_invited: by a link that serves. Raises
    RefusedError with the reason why nobody could be given an account this way, whether they have one or not.
    """
    email, name = sign_up_policy.plain(email).lower(), sign_up_policy.plain(name)
    found = terms(is_invited=is_invited)
    reasons.refuse(found.reason)
    reasons.refuse(sign_up_policy.obstacle(email, name, found.domains, is_invited=is_invited))
    limits.count("sign_up_of_visitor", visitor, most=OF_VISITOR_AN_HOUR, seconds=3600)
    address = hashlib.sha256(email.encode()).hexdigest()
    limits.count("sign_up_of_address", address, most=OF_ADDRESS_AN_HOUR, seconds=3600)
    limits.count("sign_up", "all", most=OF_SCHOOL_AN_HOUR, seconds=3600)
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
    if known and not known.enabled:
        return
    if known and (known.last_login or known.name in frappe.STANDARD_USERS):
        notify.has_account(email, target)
    else:
        user = known.name if known else _make(email, full_name, language)
        # As Frappe's own sign-up keeps it: the page on which a password is chosen leads there.
        frappe.cache.hset("redirect_after_login", user, target)
        notify.prove(email, frappe.get_doc("User", user).reset_password())
    # Whoever waits for it sits before the page: not with the next round of mails.
    frappe.enqueue("frappe.email.queue.flush", queue="short", enqueue_after_commit=True)


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
