"""The set-up wizard's work without a browser: language, country and clock, company, chart of accounts, fiscal year."""

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from datetime import date

import frappe
from frappe.core.doctype.user.user import create_contact
from frappe.desk.page.setup_wizard import setup_wizard
from frappe.utils import cint, momentjs
from frappe.utils.data import get_datetime_in_timezone

from lms_app.services import company, fiscal_year
from lms_app.services.head import Head
from lms_app.services.languages import speaking


@dataclass(frozen=True)
class Locale:
    """Where a school is.

    country: Frappe's English name. language: ISO code, such as fr or pt-BR. timezone: IANA name. currency: ISO code.
    """

    country: str
    language: str
    timezone: str
    currency: str


def checked(locale: Mapping[str, str]) -> Locale:
    """Return the locale; raises a ValidationError that names the first field with a value unknown to Frappe."""
    names = [field.name for field in fields(Locale)]
    for key in locale:
        if key not in names:
            frappe.throw(f"locale.{key}: there is no such field; a locale has {', '.join(names)}")
    known: dict[str, Collection[str]] = {
        "country": _names("tabCountry"),
        "language": _names("tabLanguage"),
        "timezone": {*momentjs.get_all_timezones(), *momentjs.data["links"]},
        "currency": _names("tabCurrency"),
    }
    for name in names:
        _refuse_unknown(f"locale.{name}", locale.get(name), known[name])
    return Locale(**locale)


def _names(table: str) -> list[str]:
    # Without loading a DocType into an empty cache.
    return [name for (name,) in frappe.db.sql(f"SELECT name FROM `{table}`")]  # noqa: S608 - one of ours


def fiscal_year_of(locale: Locale) -> tuple[date, date]:
    """Return the first and the last day of the fiscal year that it is there now."""
    return fiscal_year.containing(get_datetime_in_timezone(locale.timezone).date(), locale.country)


def is_complete() -> bool:
    """Say whether the wizard's work is done, so that nobody is led to it."""
    if hasattr(frappe, "is_setup_complete"):
        return frappe.is_setup_complete()
    return bool(cint(frappe.db.get_single_value("System Settings", "setup_complete")))


def complete(title: str, locale: Locale, head: Head | None = None) -> None:
    """Do the wizard's work through Frappe's and ERPNext's own stages; nothing happens if it was done before.

    head: gets a user as whoever goes through the wizard does; no password is set and no mail is sent. A run that was
    killed is taken up where it left off. Raises what a stage raised, and a ValidationError if ERPNext made no company
    or no fiscal year.
    """
    if is_complete():
        return
    # The wizard goes over to the school's.
    with speaking(frappe.local.lang):
        answers = _answers(title, locale, head)
        # Not setup_complete, which may be told to do all this in the background.
        setup_wizard.process_setup_stages(_stages(answers), answers)


def let_head_in(head: Head) -> None:
    """Give the school's head the user that the wizard makes, and a contact; what is there already stays.

    No password is set and no mail is sent.
    """
    address = head.words["address"]
    if not is_new(head) or frappe.db.exists("Contact Email", {"email_id": address}):
        return
    # What Frappe writes about it is in the school's language, as when the wizard makes the user.
    with speaking(frappe.db.get_value("System Settings", None, "language") or frappe.local.lang):
        setup_wizard.create_or_update_user(frappe._dict(email=head.address, full_name=head.full_name))
        # Frappe leaves this to a job, which may come when the site has another name already.
        create_contact(frappe.get_doc("User", address), ignore_mandatory=True)


def is_new(head: Head) -> bool:
    """Say whether a head is somebody else than the Administrator, who has a user."""
    return frappe.db.get_value("User", "Administrator", "email") != head.address


def _refuse_unknown(field: str, value: object, known: Collection[str]) -> None:
    if value in known:
        return
    if not value:
        frappe.throw(f"{field}: is missing")
    alike = difflib.get_close_matches(str(value), known, n=1)
    frappe.throw(f"{field}: Frappe knows no `{value}`" + "".join(f"; did you mean `{name}`?" for name in alike))


def _answers(title: str, locale: Locale, head: Head | None) -> frappe._dict:
    """Return what somebody would have typed into the wizard."""
    # The wizard knows languages by the name that they have for themselves, under two keys.
    language = frappe.db.get_value("Language", locale.language, "language_name")
    answers = frappe._dict(
        country=locale.country,
        language=language,
        lang=language,
        timezone=locale.timezone,
        currency=locale.currency,
        enable_telemetry=0,
        setup_demo=0,
    )
    if head and is_new(head):
        answers.update(email=head.address, full_name=head.full_name)
    if _has_erpnext():
        answers.update(_bookkeeping(company.name(title), locale))
    return answers


def _bookkeeping(name: str, locale: Locale) -> dict[str, str]:
    from erpnext.accounts.doctype.account.chart_of_accounts.chart_of_accounts import get_charts_for_country

    begins, ends = fiscal_year_of(locale)
    code = frappe.db.get_value("Country", locale.country, "code") or ""
    taken = frappe.get_all("Company", filters={"name": ("!=", name)}, pluck="abbr")
    return {
        "company_name": name,
        "company_abbr": company.abbreviation(name, taken),
        "chart_of_accounts": company.chart(code, locale.language, get_charts_for_country(locale.country)),
        "fy_start_date": begins.isoformat(),
        "fy_end_date": ends.isoformat(),
    }


def _stages(answers: frappe._dict) -> list[dict]:
    """Return Frappe's stages and those of every app, and before the last, which says that all is done, our look at it.

    ERPNext takes any company for the sign that its part is done, but a run that was killed may not have come much
    further: then its later stages, which leave alone what is there, are asked for by name.
    """
    stages = setup_wizard.get_setup_stages(answers)
    if _has_erpnext():
        if frappe.db.exists("Company", answers.company_name):
            from erpnext.setup.setup_wizard import setup_wizard as erpnext_wizard

            again = (erpnext_wizard.setup_company, _finish_company, erpnext_wizard.setup_defaults)
            stages[1:1] = [_stage("Taking up what was left", task, answers) for task in again]
        stages.insert(-1, _stage("Looking at the company", _refuse_half_made, answers))
    return stages


def _stage(status: str, task: object, answers: frappe._dict) -> dict:
    fault = f"Failed while {status.lower()}"
    return {"status": status, "fail_msg": fault, "tasks": [{"fn": task, "args": answers, "fail_msg": fault}]}


def _finish_company(answers: frappe._dict) -> None:
    """Let ERPNext make what its company lacks: taxes, departments, accounts to go by."""
    frappe.flags.country_change = True
    frappe.get_doc("Company", answers.company_name).save(ignore_permissions=True)


def _refuse_half_made(answers: frappe._dict) -> None:
    """Refuse to call it done when ERPNext's stages, which only log what they could not insert, made too little."""
    made = {
        f"the company `{answers.company_name}`": ("Company", answers.company_name),
        f"accounts by the chart `{answers.chart_of_accounts}`": ("Account", {"company": answers.company_name}),
        f"the fiscal year from {answers.fy_start_date} to {answers.fy_end_date}": (
            "Fiscal Year",
            {"year_start_date": answers.fy_start_date, "year_end_date": answers.fy_end_date},
        ),
    }
    for what, (doctype, filters) in made.items():
        if not frappe.db.exists(doctype, filters):
            frappe.throw(f"ERPNext did not make {what}; what it printed before this says why")


def _has_erpnext() -> bool:
    return "erpnext" in frappe.get_installed_apps()
