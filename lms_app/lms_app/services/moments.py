"""Days and times as forms have them."""

from datetime import datetime

from lms_app.services import reasons

# What the database holds of them, and what can be reckoned with: no course is from before, none lasts until after.
FIRST_YEAR, LAST_YEAR = 1900, 2900


def of_form(text: str | None) -> datetime | None:
    """Return the moment that a field for one holds, in the school's time zone; None for an empty one.

    Raises RefusedError for what is no moment, for one of another time zone, and for one in no year of a school's.
    """
    if not text or not text.strip():
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        reasons.refuse("bad_day")
        raise
    reasons.refuse("" if moment.tzinfo is None and FIRST_YEAR <= moment.year <= LAST_YEAR else "bad_day")
    return moment
