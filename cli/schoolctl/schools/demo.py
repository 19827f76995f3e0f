"""The demo courses that the app brings."""

from enum import StrEnum


class DemoCourse(StrEnum):
    """A little course that a new school may begin with; each is a file of that name in `lms_app/lms_app/demo/`."""

    BREAD = "bread"
    CIRCUITS = "circuits"
