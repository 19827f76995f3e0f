"""Numbers as forms have them."""

from lms_app.services import reasons, scoring

# What a column of the database holds, with room for what is reckoned from it.
MOST = 1_000_000_000


def of_form(text: str, most: int = MOST, reason: str = "bad_number", *, is_needed: bool = False) -> float:
    """Return the number from 0 on that a field holds, with a point or a comma for decimals; 0 for an empty one.

    Raises RefusedError for what is none, for a larger one, and for an empty field where a number is needed.
    """
    found = scoring.number(text) if text.strip() or is_needed else scoring.NOTHING
    reasons.refuse("" if found is not None and 0 <= found <= most else reason)
    return float(found or 0)


def whole_of_form(text: str, most: int = MOST, reason: str = "bad_count") -> int:
    """Return the whole number from 0 on that a field holds; 0 for an empty one.

    Raises RefusedError for what is none, and for a larger one.
    """
    digits = text.strip().lstrip("0") or "0"
    # Looked at before it is read: Python reads so many digits and no more.
    is_whole = digits.isascii() and digits.isdigit() and len(digits) <= len(str(most))
    reasons.refuse("" if is_whole and int(digits) <= most else reason)
    return int(digits)
