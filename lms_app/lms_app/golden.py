"""A golden site: filled once for an image, nobody's, and a school's own as soon as a copy of it is personalised."""

import json
from collections.abc import Iterator, Mapping

import frappe
from frappe.utils import now
from frappe.utils.global_search import sync_global_search

from lms_app.command_line import told_plainly
from lms_app.services import company, first_setup

# What a golden site's company is called: words that nothing else on a site holds, so that each place where they stand
# is a place of the school's name. Its initials stand wherever a company's abbreviation does.
TITLE = "Qzjx Zjqx Jxqz Xqzj Kqxj"
INITIALS = company.abbreviation(TITLE)
# Where a golden site keeps the places: as a global default, so that a copy brings its own.
PLACES = "academy_golden_places"

# What tells of the site that it was: who did what on it, and when. A school begins without.
TRACES = (
    "Access Log",
    "Activity Log",
    "Console Log",
    "Deleted Document",
    "Email Queue",
    "Email Queue Recipient",
    "Error Log",
    "Notification Log",
    "Route History",
    "Scheduled Job Log",
    "Version",
    "View Log",
)
# What lets somebody in, or says when somebody was.
KEYS_OF_USERS = (
    *("api_key", "api_secret", "reset_password_key", "last_reset_password_key_generated_on"),
    *("last_active", "last_ip", "last_known_versions", "last_login", "last_password_reset_date"),
)

TEXTS = ("char", "varchar", "tinytext", "text", "mediumtext", "longtext")


@told_plainly
def prepare(locale: Mapping[str, str] | None = None) -> dict[str, str | None]:
    """Make a new site golden: with a locale, set up for a company that a school will take over; then nobody's.

    Return until when it serves (ISO date): the last day of the fiscal year that was made; null for one without a
    locale, which serves for ever. Raises a ValidationError for a locale that Frappe does not know, for a site that
    belongs to somebody, and where the company's name got into a place in another form than it was given.
    """
    if frappe.db.get_single_value("Academy Settings", "school_name"):
        frappe.throw("This site is a school's already")
    until = None
    if locale:
        checked = first_setup.checked(locale)
        first_setup.complete(TITLE, checked)
        until = first_setup.fiscal_year_of(checked)[1].isoformat()
    # What was made waits in Redis, which no copy inherits, to be found by the search.
    sync_global_search()
    _forget_whose_it_was()
    frappe.db.set_global(PLACES, json.dumps(dict(_places())))
    frappe.clear_cache()
    return {"serves_until": until}


def is_golden() -> bool:
    """Say whether this site is golden still: a copy that no school has taken over."""
    return frappe.db.get_global(PLACES) is not None


def take_over(title: str) -> bool:
    """Let a school take over a copy: its name wherever the company's stands, and jobs that are due from now on.

    Return whether there was anything to take over: not on a site that is somebody's, or was made app by app.
    """
    if not is_golden():
        return False
    name = company.name(title)
    values = {"title": TITLE, "name": name, "initials": INITIALS, "abbreviation": company.abbreviation(name)}
    for table, columns in json.loads(frappe.db.get_global(PLACES)).items():
        new = "REPLACE(REPLACE(`{0}`, %(title)s, %(name)s), %(initials)s, %(abbreviation)s)"
        changes = ", ".join(f"`{column}` = {new.format(column)}" for column in columns)
        frappe.db.sql(f"UPDATE `{table}` SET {changes}", values)  # noqa: S608 - names as the schema has them
    # A job is due by the age of its row as long as it never ran, and those of a golden site are as old as the image.
    frappe.db.sql("UPDATE `tabScheduled Job Type` SET creation = %s, last_execution = NULL", now())
    frappe.db.set_global(PLACES, None)
    frappe.clear_cache()
    return True


def _forget_whose_it_was() -> None:
    """Remove what lets somebody in and what tells of the past."""
    for doctype in TRACES:
        if frappe.db.table_exists(doctype):
            frappe.db.delete(doctype)
    for table in ("Sessions", "__Auth"):
        frappe.db.delete(table)
    columns = frappe.db.get_table_columns("User")
    nothing = {field: None for field in KEYS_OF_USERS if field in columns}
    frappe.db.set_value("User", {"name": ("is", "set")}, nothing, update_modified=False)


def _places() -> Iterator[tuple[str, list[str]]]:
    """Yield each table with the columns where the company's name or abbreviation stands."""
    rows = frappe.db.sql(
        "SELECT c.table_name, c.column_name FROM information_schema.columns c JOIN information_schema.tables t"
        " USING (table_schema, table_name) WHERE c.table_schema = DATABASE() AND t.table_type = 'BASE TABLE'"
        " AND c.data_type IN %s ORDER BY 1, 2",
        (TEXTS,),
    )
    columns: dict[str, list[str]] = {}
    for table, column in rows:
        columns.setdefault(table, []).append(column)
    for table, names in columns.items():
        held = [name for name, holds in zip(names, _hold(table, names), strict=True) if holds]
        if held:
            yield table, held


def _hold(table: str, columns: list[str]) -> list[bool]:
    """Say for each column whether the company's name or abbreviation stands in it; refuse other forms of the name."""
    exact = "SUM(BINARY `{0}` LIKE BINARY %(title)s OR BINARY `{0}` LIKE BINARY %(initials)s)"
    any_form = "SUM(LOWER(`{0}`) LIKE %(word)s OR LOWER(`{0}`) LIKE %(letters)s)"
    counts = ", ".join(part.format(column) for column in columns for part in (exact, any_form))
    word = TITLE.split()[0].lower()
    likes = {"title": TITLE, "initials": INITIALS, "word": word, "letters": INITIALS.lower()}
    values = {key: f"%{text}%" for key, text in likes.items()}
    [found] = frappe.db.sql(f"SELECT {counts} FROM `{table}`", values)  # noqa: S608 - names as the schema has them
    numbers = [int(number or 0) for number in found]
    for column, as_given, in_any_form in zip(columns, numbers[::2], numbers[1::2], strict=True):
        if as_given != in_any_form:
            frappe.throw(f"`{table}`.`{column}` holds the company's name in a form that cannot be given to a school")
    return [number > 0 for number in numbers[::2]]
