"""Keep a copy of a school from reaching anybody whom the school reaches."""

import re

import frappe

from lms_app.command_line import told_plainly

# What sends, calls, charges or lets others in: DocTypes and the fields that are emptied, by the kind that is reported.
SWITCHES = {
    "webhooks": {"Webhook": ("enabled",)},
    "email_accounts": {
        "Email Account": ("enable_incoming", "enable_outgoing"),
        "User Email": ("enable_outgoing",),
    },
    "notifications": {"Notification": ("enabled",), "Notification Settings": ("enable_email_notifications",)},
    "mailings": {
        "Auto Email Report": ("enabled",),
        "Auto Repeat": ("notify_by_email",),
        "Email Digest": ("enabled",),
        "Newsletter": ("schedule_sending",),
        "Process Statement Of Accounts": ("enable_auto_email",),
    },
    "text_messages": {"SMS Settings": ("sms_gateway_url",)},
    "push": {"Push Notification Settings": ("enable_push_notification_relay", "api_key")},
    "login_providers": {"Social Login Key": ("enable_social_login", "client_id")},
    "user_keys": {"User": ("api_key", "api_secret", "reset_password_key")},
    "secrets": {"Bank": ("plaid_access_token",), "Webhook Header": ("value",)},
}
# Rows that go as a whole: what outsiders or browsers come in with, and what SMS gateways are told.
ROWS = {
    "login_providers": ("OAuth Client", "OAuth Bearer Token", "OAuth Authorization Code"),
    "secrets": ("SMS Parameter", "Token Cache"),
    "sessions": ("Sessions",),
}
WAITING = ("Not Sent", "Sending", "Partially Sent")

# Apps for payments and the like name their modules and fields as they please, but most of them after these patterns.
INTEGRATION = re.compile(r"integration|payment|gateway|telephony", re.IGNORECASE)
SWITCH = re.compile(r"enabled?")
SECRET = re.compile(
    r"(.*_)?(secret|token|password|passphrase|passkey|credentials?|api_username|authorization_code|webhook_url"
    r"|(api|app|access|client|consumer|merchant|private|public|publishable|secret|webhook|auth)_key"
    r"|(client|merchant|access_key|api_login)_id)"
)
TEXTS = {"Code", "Data", "Long Text", "Password", "Small Text", "Text"}


def is_copy() -> bool:
    """Say whether this site is a copy to try things on: `academy_staging` in its site_config.json says so."""
    return bool(frappe.conf.academy_staging)


@told_plainly
def mute() -> dict[str, int]:
    """Empty all by which a copied school could write to, call or charge somebody, or be entered; return how much.

    The numbers are of documents, by kind. Muting again changes nothing. Raises a ValidationError on a site that is no
    copy: it still needs its keys.
    """
    if not is_copy():
        frappe.throw("This site is no staging copy: nothing in its site_config.json says `academy_staging`")
    changed = dict.fromkeys([*SWITCHES, "integrations", "queued_mail", "sessions"], 0)
    for kind, doctypes in SWITCHES.items():
        changed[kind] += sum(_empty(doctype, fields) for doctype, fields in doctypes.items())
    for kind, doctypes in ROWS.items():
        changed[kind] += sum(_remove(doctype) for doctype in doctypes)
    for doctype, switches, secrets in _integrations():
        changed["integrations"] += _empty(doctype, switches)
        changed["secrets"] += _empty(doctype, secrets)
    changed["secrets"] += _forget_passwords()
    changed["queued_mail"] += _drop_waiting_mail()
    frappe.cache.delete_value("session")
    frappe.clear_cache()
    return changed


def _empty(doctype: str, names: tuple[str, ...]) -> int:
    """Empty fields of all documents of a DocType, as far as there are any; return how many documents had one filled."""
    if not frappe.db.exists("DocType", doctype):
        return 0
    meta = frappe.get_meta(doctype)
    # Nothing, not an empty text: some of these fields must be unique.
    nothing = {name: 0 if meta.get_field(name).fieldtype == "Check" else None for name in names if meta.has_field(name)}
    if not nothing:
        return 0
    if meta.issingle:
        filled = {name: none for name, none in nothing.items() if frappe.db.get_single_value(doctype, name)}
        if filled:
            frappe.db.set_single_value(doctype, filled)
        return int(bool(filled))
    filters = [[name, "!=", "" if none is None else none] for name, none in nothing.items()]
    documents = frappe.get_all(doctype, or_filters=filters, pluck="name")
    if documents:
        frappe.db.set_value(doctype, {"name": ("in", documents)}, nothing, update_modified=False)
    return len(documents)


def _remove(doctype: str) -> int:
    """Remove every row of a table, and of the tables inside it; return how many there were of its own."""
    if not frappe.db.table_exists(doctype):
        return 0
    if frappe.db.exists("DocType", doctype):
        for field in frappe.get_meta(doctype).get_table_fields():
            frappe.db.delete(field.options, {"parenttype": doctype})
    number = frappe.db.count(doctype)
    frappe.db.delete(doctype)
    return number


def _integrations() -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Return the DocTypes that connect to somebody outside, each with its switches and with what it keeps secret.

    Secrets of the settings of any other app are among them: a map or a video service's key costs money as well.
    """
    found = []
    doctypes = frappe.get_all("DocType", filters={"istable": 0, "is_virtual": 0}, fields=["name", "module"])
    for doctype in doctypes:
        outside = bool(INTEGRATION.search(doctype.module or ""))
        if outside or doctype.name.endswith(" Settings"):
            fields = frappe.get_meta(doctype.name).fields
            switches = [f.fieldname for f in fields if f.fieldtype == "Check" and SWITCH.fullmatch(f.fieldname)]
            secrets = [f.fieldname for f in fields if f.fieldtype in TEXTS and SECRET.fullmatch(f.fieldname)]
            found.append((doctype.name, tuple(switches) if outside else (), tuple(secrets)))
    return found


def _forget_passwords() -> int:
    """Remove every password that the site keeps to use it elsewhere; those that people log in with are only hashed."""
    kept = frappe.db.sql("SELECT doctype, fieldname, COUNT(*) FROM `__Auth` WHERE encrypted = 1 GROUP BY 1, 2")
    for doctype, field, _ in kept:
        _empty(doctype, (field,))
    frappe.db.delete("__Auth", {"encrypted": 1})
    return sum(number for *_, number in kept)


def _drop_waiting_mail() -> int:
    """Remove the mails that wait to be sent."""
    number = frappe.db.count("Email Queue", {"status": ("in", WAITING)})
    frappe.db.sql(
        "DELETE mail, recipient FROM `tabEmail Queue` mail LEFT JOIN `tabEmail Queue Recipient` recipient"
        " ON recipient.parent = mail.name WHERE mail.status IN %s",
        (WAITING,),
    )
    return number
