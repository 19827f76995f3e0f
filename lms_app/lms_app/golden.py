"""A golden site: filled once for an image, nobody's, and a school's own as soon as a copy of it is personalised."""

import json
from collections.abc import Iterator, Mapping

import frappe
from frappe.cache_manager import clear_defaults_cache
from frappe.utils import now
from frappe.utils.global_search import sync_global_search

from lms_app.command_line import told_plainly
from lms_app.services import branding, first_setup, stand_ins
from lms_app.services.head import Head
from lms_app.services.stand_ins import HEAD, STAND_INS, TITLE

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

# Parameters of every statement with stand-ins.
_STOOD = {f"was_{key}": word for key, word in STAND_INS.items()}
TEXTS = ("char", "varchar", "tinytext", "text", "mediumtext", "longtext")


@told_plainly
def prepare(locale: Mapping[str, str] | None = None) -> dict[str, str | None]:
    """Make a new site golden: with a locale, set up for a company and a head that a school puts its own in place of.

    Return until when it serves (ISO date): the last day of the fiscal year that was made; null for one without a
    locale, which serves for ever. Raises a ValidationError for a locale that Frappe does not know, for a site that
    belongs to somebody, and where a name got into a place from which it cannot be replaced.
    """
    if frappe.db.get_single_value("Academy Settings", "school_name"):
        frappe.throw("This site is a school's already")
    until = None
    if locale:
        checked = first_setup.checked(locale)
        first_setup.complete(TITLE, checked)
        first_setup.let_head_in(HEAD)
        until = first_setup.fiscal_year_of(checked)[1].isoformat()
    branding.name_website(TITLE)
    # What was made waits in Redis, which no copy inherits, to be found by the search.
    sync_global_search()
    _forget_whose_it_was()
    frappe.db.set_global(PLACES, json.dumps(dict(_places())))
    frappe.clear_cache()
    return {"serves_until": until}


def is_golden() -> bool:
    """Say whether this site is golden still: a copy that no school has taken over."""
    return _kept_places() is not None


def take_over(title: str, head: Head | None = None) -> bool:
    """Let a school take over a copy: its names wherever others stand for them, and jobs that are due from now on.

    head: gets the user that was made for one. Without a head, or with one of whose names Frappe may make something
    else, that user is removed. Return whether there was anything to take over: not on a site that is somebody's, or was
    made app by app.
    """
    places = _kept_places()
    if places is None:
        return False
    if head and not _can_be_had(head):
        head = None
    new = stand_ins.replacements(title, head)
    values = {**_STOOD, **new}
    for table, columns in places.items():
        heads = [column for column, keys in columns.items() if not {*keys}.isdisjoint(HEAD.words)]
        if heads and not head:
            # There is nothing in such a row but what is the head's.
            holds = " OR ".join(stand_ins.holding(column, HEAD.words) for column in heads)
            frappe.db.sql(f"DELETE FROM `{table}` WHERE {holds}", values)  # noqa: S608 - names as the schema has them
        changes = ", ".join(
            f"`{column}` = {stand_ins.replaced(column, given)}"
            for column, keys in columns.items()
            if (given := {*keys} & new.keys())
        )
        if changes:
            frappe.db.sql(f"UPDATE `{table}` SET {changes}", values)  # noqa: S608 - names as the schema has them
    if head:
        # Drawn for each user: no two schools may share one.
        drawn, address = frappe.generate_hash(length=39), head.words["address"]
        frappe.db.sql("UPDATE `tabUser Social Login` SET userid = %s WHERE parent = %s", (drawn, address))
    # A job is due by the age of its row as long as it never ran, and those of a golden site are as old as the image.
    frappe.db.sql("UPDATE `tabScheduled Job Type` SET creation = %s, last_execution = NULL", now())
    frappe.db.delete("DefaultValue", {"defkey": PLACES})
    # Nobody has seen this site, so that its cache is empty but for what was read on the way here.
    clear_defaults_cache()
    frappe.db.value_cache.clear()
    return True


def _kept_places() -> dict[str, dict[str, list[str]]] | None:
    """Return which stand-ins stand in which columns of which tables; None on a site that is not golden."""
    # Past the cache, which would keep all other defaults, too, as they are before the school's name is in them.
    kept = frappe.db.sql("SELECT defvalue FROM tabDefaultValue WHERE defkey = %s", PLACES)
    return json.loads(kept[0][0]) if kept else None


def _can_be_had(head: Head) -> bool:
    """Say whether a head's user is what was made for one with other words in it."""
    return stand_ins.can_stand_for(head) and not frappe.db.exists("User", {"username": head.words["username"]})


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


def _places() -> Iterator[tuple[str, dict[str, list[str]]]]:
    """Yield each table where stand-ins stand, with its columns and which ones stand there."""
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
        places = {name: _standing(table, name) for name in _marked(table, names)}
        if places:
            yield table, places


def _marked(table: str, columns: list[str]) -> list[str]:
    """Return the columns that hold a stand-in, in whatever form."""
    found = _any_row(table, [stand_ins.marked(f"`{column}`") for column in columns])
    return [column for column, is_marked in zip(columns, found, strict=True) if is_marked]


def _standing(table: str, column: str) -> list[str]:
    """Return which stand-ins stand in a column; refuse it where one could not be replaced."""
    holding = [stand_ins.holding(column, [key]) for key in STAND_INS]
    left = stand_ins.marked(stand_ins.replaced(column, STAND_INS))
    # A text in it would end at a quote in a school's name.
    in_json = (
        f"{stand_ins.holding(column, ['title'])} AND `{column}` RLIKE '^[[:space:]]*[[{{]' AND JSON_VALID(`{column}`)"
    )
    *stand, any_left, any_in_json = _any_row(table, [*holding, left, in_json])
    if any_left or any_in_json:
        frappe.throw(f"`{table}`.`{column}` holds a golden site's names in a form that cannot be given to a school")
    return [key for key, stands in zip(STAND_INS, stand, strict=True) if stands]


def _any_row(table: str, conditions: list[str]) -> list[bool]:
    """Say for each condition whether any row of a table fulfils it."""
    values = {**_STOOD, **dict.fromkeys(STAND_INS, "")}
    greatest = ", ".join(f"MAX({condition})" for condition in conditions)
    [found] = frappe.db.sql(f"SELECT {greatest} FROM `{table}`", values)  # noqa: S608 - names as the schema has them
    return [bool(number) for number in found]
