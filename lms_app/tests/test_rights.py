import itertools

import pytest
from lms_app.services import rights, seats
from lms_app.services.rights import Viewer

STATUSES = ("Draft", "In Review", "Published", "Archived")
VISIBILITIES = (rights.PUBLIC, rights.MEMBERS, rights.UNLISTED, rights.PRIVATE)
STATES = ("", *seats.LIVE, *seats.ENDED)


@pytest.mark.parametrize("role", rights.STAFF)
def test_staff_see_and_open_their_course_in_every_status(role):
    viewer = Viewer("teacher", role)
    for status, visibility in itertools.product(STATUSES, VISIBILITIES):
        assert rights.see_course(status, visibility, viewer) == ""
        assert rights.open_lessons(status, visibility, viewer) == ""


def test_only_leads_and_managers_change_a_course():
    assert [rights.edit(Viewer("teacher", role)) for role in rights.STAFF] == ["not_staff", "not_staff", "", ""]
    assert rights.edit(Viewer("pupil", state=seats.ACTIVE)) == "not_staff"


@pytest.mark.parametrize("state", STATES)
def test_nobody_but_staff_sees_a_course_that_is_not_published(state):
    for status, visibility in itertools.product(("Draft", "In Review"), VISIBILITIES):
        assert rights.see_course(status, visibility, Viewer("pupil", state=state)) == rights.NOT_PUBLISHED
        assert rights.open_lessons(status, visibility, Viewer("pupil", state=state)) == rights.NOT_PUBLISHED


@pytest.mark.parametrize(("status", "visibility"), [*itertools.product(STATUSES, VISIBILITIES)])
def test_a_guest_never_opens_lessons(status, visibility):
    assert rights.open_lessons(status, visibility, Viewer()) != ""


@pytest.mark.parametrize(
    ("visibility", "guest", "member"),
    [
        (rights.PUBLIC, "", ""),
        (rights.UNLISTED, "", ""),
        (rights.MEMBERS, rights.LOG_IN, ""),
        (rights.PRIVATE, rights.LOG_IN, rights.NOT_ENROLLED),
    ],
)
def test_who_sees_a_published_course_depends_on_its_visibility(visibility, guest, member):
    assert rights.see_course(rights.PUBLISHED, visibility, Viewer()) == guest
    assert rights.see_course(rights.PUBLISHED, visibility, Viewer("somebody")) == member
    assert rights.see_course(rights.PUBLISHED, visibility, Viewer("pupil", state=seats.ACTIVE)) == ""


def test_an_archived_course_stays_with_its_pupils():
    assert rights.see_course(rights.ARCHIVED, rights.PUBLIC, Viewer("pupil", state=seats.COMPLETED)) == ""
    assert rights.see_course(rights.ARCHIVED, rights.PUBLIC, Viewer("somebody")) == rights.NOT_PUBLISHED


@pytest.mark.parametrize("state", STATES)
def test_lessons_are_open_to_those_who_learn_and_the_others_are_told_why(state):
    reason = rights.open_lessons(rights.PUBLISHED, rights.PUBLIC, Viewer("pupil", state=state))
    assert (reason == "") == (state in seats.LEARNING)


def test_all_who_teach_a_course_grade_and_only_some_of_them_change_it():
    roles = ("", *rights.STAFF)
    assert [rights.grade(Viewer("somebody", role)) for role in roles] == [rights.NOT_STAFF, "", "", "", ""]
    assert [rights.edit(Viewer("somebody", role)) == "" for role in roles] == [False, False, False, True, True]


def test_nobody_comes_anew_into_a_course_that_is_not_published():
    assert [rights.enter(status) for status in (*STATUSES, None)] == [
        *("not_published", "not_published", "", "not_published", "not_published")
    ]
