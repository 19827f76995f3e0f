from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lms_app.services import fiscal_year

days = st.dates(date(1990, 1, 1), date(2090, 12, 31))
countries = st.sampled_from([*fiscal_year.BEGINNINGS, "France"])


@pytest.mark.parametrize(
    ("day", "country", "begins", "ends"),
    [
        ("2026-11-23", "France", "2026-01-01", "2026-12-31"),
        ("2026-01-01", "France", "2026-01-01", "2026-12-31"),
        ("2026-11-23", "India", "2026-04-01", "2027-03-31"),
        ("2026-03-31", "India", "2025-04-01", "2026-03-31"),
        ("2026-04-01", "India", "2026-04-01", "2027-03-31"),
        ("2026-01-15", "Australia", "2025-07-01", "2026-06-30"),
        ("2026-09-30", "Thailand", "2025-10-01", "2026-09-30"),
        ("2028-02-29", "South Africa", "2027-03-01", "2028-02-29"),
        ("2027-02-28", "South Africa", "2026-03-01", "2027-02-28"),
    ],
)
def test_a_year_begins_where_the_country_s_does_and_contains_the_day(day, country, begins, ends):
    expected = (date.fromisoformat(begins), date.fromisoformat(ends))
    assert fiscal_year.containing(date.fromisoformat(day), country) == expected


@given(days, countries)
def test_every_day_is_in_its_year_which_is_a_whole_one(day, country):
    begins, ends = fiscal_year.containing(day, country)
    assert begins <= day <= ends
    assert ends + timedelta(days=1) == begins.replace(year=begins.year + 1)


@given(days, countries)
def test_the_day_after_a_year_is_the_first_of_the_next(day, country):
    ends = fiscal_year.containing(day, country)[1]
    assert fiscal_year.containing(ends + timedelta(days=1), country)[0] == ends + timedelta(days=1)


def test_a_country_that_nobody_knows_keeps_the_calendar_s_year():
    assert fiscal_year.containing(date(2026, 6, 1), "Atlantis") == (date(2026, 1, 1), date(2026, 12, 31))
