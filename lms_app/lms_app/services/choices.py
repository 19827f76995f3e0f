"""What the fields of documents let choose, in words that say what comes of it."""

import frappe
from frappe import _


def of(doctype: str, field: str) -> list[tuple[str, str]]:
    """Return each value that a Select lets choose, with its words in the reader's language."""
    words = _words().get(field, {})
    options = frappe.get_meta(doctype).get_field(field).options or ""
    return [(value, words.get(value) or _(value)) for value in options.split("\n")]


def is_one(doctype: str, field: str, value: str) -> bool:
    """Say whether a Select lets choose a value."""
    return value in (frappe.get_meta(doctype).get_field(field).options or "").split("\n")


def _words() -> dict[str, dict[str, str]]:
    # In a function: the language is the reader's, not the process's.
    return {
        "visibility": {
            "Public": _("Everybody finds it"),
            "Members": _("Whoever is logged in finds it"),
            "Unlisted": _("Only who has the address"),
            "Private": _("Only its pupils"),
        },
        "enrolment_mode": {
            "Open": _("By themselves, at once"),
            "Approval": _("After a teacher has approved"),
            "Invite": _("By invitation"),
            "Paid": _("By paying"),
            "Cohort Only": _("In groups, by the school"),
        },
        "level": {"": _("Not said")},
        "role": {
            "Lead": _("Leads the course: changes everything"),
            "Assistant": _("Assists: reads and grades"),
            "Grader": _("Grades"),
        },
        "release_rule": {
            "Now": _("At once"),
            "On Date": _("On a date"),
            "Days After Enrolment": _("Days after somebody joined"),
            "After Module": _("After another module"),
        },
        "kind": {
            "Page": _("Page"),
            "Video": _("Video"),
            "Quiz": _("Quiz"),
            "Assignment": _("Assignment"),
            "Rich Text": _("Formatted text"),
            "Markdown": _("Text in Markdown"),
            "Image": _("Picture"),
            "Audio": _("Sound"),
            "File": _("File to download"),
            "Code": _("Program code"),
            "Callout": _("Note, tip or warning"),
            "Embed": _("From another site"),
            "Recipe": _("Recipe"),
        },
        "completion_rule": {
            "Manual": _("The pupil says so"),
            "View": _("It was opened"),
            "Video %": _("So much of its video was watched"),
            "Quiz Passed": _("Its quiz was passed"),
            "Submitted": _("Its assignment was handed in"),
            "Graded": _("Its assignment was graded well enough to pass"),
        },
        "late_policy": {
            "Accepted": _("Is marked as late, and loses nothing"),
            "Loses Points": _("Loses points for each day begun"),
            "Not Accepted": _("Is not accepted"),
        },
        "grading": {"Last": _("The last one counts"), "Highest": _("The best one counts")},
    }
