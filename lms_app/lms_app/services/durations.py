"""How long something takes, in words."""

from frappe import _


def words(minutes: int | None) -> str:
    """Return minutes as a reader says them, such as `45 min` or `3 h 20 min`; nothing for none."""
    hours, rest = divmod(int(minutes or 0), 60)
    if not hours:
        return _("{0} min").format(rest) if rest else ""
    return _("{0} h {1} min").format(hours, rest) if rest else _("{0} h").format(hours)
