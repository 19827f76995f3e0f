from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lms_app.services import seats
from lms_app.services.seats import Terms

NOW = datetime(2026, 3, 2, 9, 0)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        (Terms(), ""),
        (Terms(seats.APPROVAL), ""),
        (Terms(seats.INVITE), seats.INVITE_ONLY),
        (Terms(seats.PAID), seats.MUST_PAY),
        (Terms(seats.COHORT_ONLY), seats.BY_COHORT),
        (Terms(enrol_from=NOW + DAY), seats.NOT_YET),
        (Terms(enrol_until=NOW - DAY), seats.TOO_LATE),
        (Terms(enrol_from=NOW, enrol_until=NOW), ""),
    ],
)
def test_whoever_may_not_join_by_themselves_is_told_why(terms, reason):
    assert seats.obstacle(terms, NOW) == reason


def test_prerequisites_come_first():
    assert seats.obstacle(Terms(), NOW, lacks_prerequisites=True) == seats.PREREQUISITES


def test_without_a_limit_everybody_has_a_seat():
    assert seats.place(Terms(), taken=10_000, waiting=0) == seats.ACTIVE


def test_the_last_seat_is_given_once_and_then_there_is_the_queue():
    assert seats.place(Terms(seats=2), taken=1, waiting=0) == seats.ACTIVE
    assert seats.place(Terms(seats=2), taken=2, waiting=0) == seats.WAITLISTED
    assert seats.place(Terms(seats=2, has_waitlist=False), taken=2, waiting=0) == seats.FULL


def test_nobody_overtakes_those_who_wait():
    assert seats.place(Terms(seats=2), taken=1, waiting=1) == seats.WAITLISTED


@given(st.integers(0, 50), st.integers(0, 80), st.integers(0, 80))
def test_promoting_never_oversells_and_leaves_no_seat_empty_while_somebody_waits(limit, taken, waiting):
    promoted = seats.promotable(limit, taken, waiting)
    assert 0 <= promoted <= waiting
    if limit:
        assert promoted == 0 or taken + promoted <= limit
        assert promoted == waiting or taken + promoted >= limit
    else:
        assert promoted == waiting


@given(st.integers(0, 50), st.integers(0, 80), st.integers(0, 80), st.booleans())
def test_a_seat_is_given_only_if_one_is_free(limit, taken, waiting, has_waitlist):
    state = seats.place(Terms(seats=limit, has_waitlist=has_waitlist), taken, waiting)
    if state == seats.ACTIVE:
        assert limit == 0 or taken + waiting < limit
