"""Courses that come before others, and the circles that nobody would ever get into.

Pure: nothing here needs a site.
"""

from collections.abc import Collection, Mapping


def in_circles(course: str, wanted: Collection[str], before: Mapping[str, Collection[str]]) -> list[str]:
    """Return which of the courses that are wanted before one build on it themselves, however far away.

    before: of every course, those that come before it.
    """
    return [one for one in wanted if course in _reached(one, before)]


def _reached(course: str, before: Mapping[str, Collection[str]]) -> set[str]:
    """Return a course with everything that has to be completed before it."""
    found, new = {course}, [course]
    while new:
        new = [one for one in before.get(new.pop(), ()) if one not in found] + new
        found.update(new)
    return found
