"""Days and times as forms have them."""

from datetime import datetime

from lms_app.services import reasons


def of_form(text: str | None) -> datetime | None:
    """Return the moment that a field for one holds, in the school's time zone; None for an empty one.

    Raises RefusedError for what is no moment.
    """
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None) if text else None
    except ValueError:
        reasons.refuse("bad_day")
        raise
