from collections import Counter

import pytest
from lms_app.services import timetable

SCHOOLS = [f"sch{number:012x}" for number in range(100)]
# As many jobs of each frequency as Frappe and ERPNext have.
STOCK = {
    **{f"all.{number}": "*/4 * * * *" for number in range(2)},
    **{f"quarter.{number}": "0/15 * * * *" for number in range(8)},
    "sixth": "0/10 * * * *",
    "half": "0/30 * * * *",
    **{f"offset.{number}": "30 * * * *" for number in range(2)},
    **{f"hourly.{number}": "0 * * * *" for number in range(13)},
    **{f"late.{number}": "45 0 * * *" for number in range(2)},
    **{f"daily.{number}": "0 0 * * *" for number in range(42)},
    **{f"weekly.{number}": "0 0 * * 0" for number in range(8)},
    **{f"monthly.{number}": "0 0 1 * *" for number in range(5)},
}


def minutes(expression):
    """Return the minutes of a Sunday that is the first of its month, as croniter reads an expression."""
    minute, hour = expression.split()[:2]
    start, _, step = minute.partition("/")
    first = 0 if start == "*" else int(start)
    hours = range(24) if hour == "*" else [int(hour)]
    return [60 * each + at for each in hours for at in (range(first, 60, int(step)) if step else [first])]


def due(expressions):
    return Counter(minute for expression in expressions for minute in minutes(expression))


def test_a_hundred_schools_have_their_jobs_due_in_no_minute_together():
    together = due(stock for _ in SCHOOLS for stock in STOCK.values())
    spread = due(timetable.own_time(stock, job, school) for school in SCHOOLS for job, stock in STOCK.items())
    assert together[0] == max(together.values()) > 7000
    assert spread.total() == together.total()
    # At best they are as many in each minute of the night, and in each of the day.
    night = [spread[minute] for minute in range(timetable.NIGHT * 60)]
    day = [spread[minute] for minute in range(timetable.NIGHT * 60, 24 * 60)]
    assert max(night) < 1.4 * sum(night) / len(night) < 250
    assert max(day) < 1.4 * sum(day) / len(day) < 200


def test_one_school_has_its_own_jobs_due_in_no_minute_together():
    for school in SCHOOLS:
        spread = due(timetable.own_time(stock, job, school) for job, stock in STOCK.items())
        assert max(spread.values()) <= 12


@pytest.mark.parametrize(
    ("stock", "times"),
    [
        ("*/4 * * * *", 15 * 24),
        ("0/15 * * * *", 4 * 24),
        ("0/30 * * * *", 2 * 24),
        ("30 * * * *", 24),
        ("0 0 * * *", 1),
        ("45 0 * * *", 1),
        ("0 0 * * 0", 1),
    ],
)
def test_a_job_is_due_as_often_as_by_frappes_own_time(stock, times):
    for school in SCHOOLS:
        own = timetable.own_time(stock, "some.job", school)
        assert len(minutes(own)) == times
        assert own.split()[2:] == stock.split()[2:]


def test_nightly_jobs_are_done_before_anybody_comes():
    hours = {timetable.own_time("0 0 * * *", "some.job", school).split()[1] for school in SCHOOLS}
    assert hours == {"0", "1", "2", "3", "4"}


def test_the_same_job_of_the_same_school_is_always_due_at_the_same_time():
    assert timetable.own_time("0 * * * *", "some.job", "sch0") == timetable.own_time("0 * * * *", "some.job", "sch0")


@pytest.mark.parametrize("stock", ["0 9-17 * * 1-5", "0,30 * * * *", "0 12 * * *", "not cron", "*/0 * * * *"])
def test_a_time_that_somebody_chose_for_a_reason_stays(stock):
    assert timetable.own_time(stock, "some.job", "sch0") == stock


def test_what_nobody_waits_for_is_written_once_an_hour():
    assert len(minutes(timetable.own_time("*/4 * * * *", "frappe.monitor.flush", "sch0"))) == 24
