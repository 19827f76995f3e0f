import pytest
from hypothesis import given
from hypothesis import strategies as st
from lms_app.services import company

FRENCH = ["France - Plan Comptable General", "France - Plan Comptable General avec code"]
OFFERED = ["Standard", "Standard with Numbers"]
titles = st.text(min_size=1, max_size=140)


@pytest.mark.parametrize(
    ("title", "taken", "letters"),
    [
        ("Tech School", [], "TS"),
        ("Tech School", ["TS"], "TS2"),
        ("Tech School", ["ts", "TS2"], "TS3"),
        ("Lycée", [], "LYC"),
        ("école de cuisine", [], "ÉDC"),
        ("Art & Craft", [], "AC"),
        ("The School of Very Many Long Words", [], "TSOVM"),
        ("学校", [], "学校"),
        ("!!!", [], "S"),
    ],
)
def test_an_abbreviation_is_made_of_the_title_s_letters(title, taken, letters):
    assert company.abbreviation(title, taken) == letters


@given(titles, st.sets(st.text(max_size=7), max_size=30))
def test_an_abbreviation_is_short_and_nobody_else_s(title, taken):
    letters = company.abbreviation(title, taken)
    assert 1 <= len(letters) <= company.LONGEST_ABBREVIATION + len(str(len(taken) + 1))
    assert letters.casefold() not in {other.casefold() for other in taken}


@given(titles)
def test_a_company_s_name_leaves_room_for_what_is_named_after_it(title):
    name = company.name(title)
    assert len(f"{name} - {company.abbreviation(name)}") < 140
    assert not set("<>") & set(name)


def test_a_chart_with_numbers_comes_before_one_without():
    assert company.chart("fr", "fr", [*FRENCH, *OFFERED]) == FRENCH[1]
    assert company.chart("fr", "en", [*reversed(FRENCH), *OFFERED]) == FRENCH[1]


def test_a_country_without_charts_of_its_own_gets_the_standard_one():
    assert company.chart("us", "en", OFFERED) == company.STANDARD
    assert company.chart("gb", "en", []) == company.STANDARD


def test_a_chart_for_those_who_speak_another_language_is_not_taken():
    offered = ["Canada - Plan comptable pour les provinces francophones"]
    assert company.chart("ca", "fr-CA", offered) == offered[0]
    assert company.chart("ca", "en", offered) == company.STANDARD


def test_a_chart_that_another_country_s_code_led_to_is_not_taken():
    assert company.chart("sy", "ar", ["Syscohada - Plan Comptable", *OFFERED]) == company.STANDARD
    assert company.chart("sn", "fr", ["Syscohada - Plan Comptable"]) == "Syscohada - Plan Comptable"
