"""Days and moments as they are written out in the language that is spoken, whatever format the desk of the site has."""

from datetime import date, datetime

import frappe
from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time, get_datetime_format
from frappe.utils import get_datetime, getdate


def day(one: date | str) -> str:
    """Return a day, or that of a moment, written out: 28 novembre 2026."""
    known, found = getdate(one), _spoken()
    return format_date(known, "long", locale=found) if found else known.isoformat()


def moment(one: datetime | str) -> str:
    """Return a moment written out, to the minute: 28 nov. 2026, 10:42."""
    known, found = get_datetime(one), _spoken()
    if not found:
        return known.isoformat(" ", "minutes")
    # As Babel puts the two together, which would say seconds as well where the month is a word.
    pattern = get_datetime_format("medium", locale=found).replace("'", "")
    hour, on = format_time(known, "short", locale=found), format_date(known, "medium", locale=found)
    return str(pattern.replace("{0}", hour).replace("{1}", on))


def _spoken() -> Locale | None:
    """Return how the language that is spoken writes dates; None for one of which nobody knows."""
    try:
        return Locale.parse((frappe.local.lang or "en").replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        return None
