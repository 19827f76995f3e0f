from datetime import datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lms_app.services import assignments, attempts
from lms_app.services.assignments import (
    GRADED,
    LOSES_POINTS,
    NOT_ACCEPTED,
    REPLACED,
    RETURNED,
    SUBMITTED,
    Criterion,
    Level,
    Override,
    Rules,
)

NOW = datetime(2026, 3, 2, 18, 0)
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
HALF = [
    Criterion("a", "Crumb", [Level("a1", "Dense", 1), Level("a2", "Open", 4)]),
    Criterion("b", "Crust", [Level("b1", "Pale", 0), Level("b2", "Brown", 2.5)]),
]


def test_what_comes_in_the_second_in_which_it_is_due_is_in_time():
    rules = Rules(due_on=NOW)
    assert not assignments.is_late(rules, NOW)
    assert assignments.is_late(rules, NOW + SECOND)
    assert not assignments.is_late(Rules(), NOW + 999 * DAY)


def test_a_day_is_late_as_soon_as_it_is_begun():
    found = [assignments.days_late(NOW, NOW + late) for late in (-DAY, 0 * DAY, SECOND, DAY, DAY + SECOND)]
    assert found == [0, 0, 1, 1, 2]


def test_late_work_is_taken_until_the_cut_off_and_no_longer():
    rules = Rules(due_on=NOW, cut_off_on=NOW + DAY)
    assert assignments.obstacle(rules, [], NOW + DAY) == ""
    assert assignments.obstacle(rules, [], NOW + DAY + SECOND) == assignments.CLOSED


def test_where_late_work_is_not_accepted_it_closes_when_it_is_due():
    rules = Rules(due_on=NOW, cut_off_on=NOW + DAY, policy=NOT_ACCEPTED)
    assert assignments.closes_on(rules) == NOW
    assert assignments.obstacle(rules, [], NOW + SECOND) == assignments.CLOSED
    assert assignments.closes_on(Rules(policy=NOT_ACCEPTED)) is None


def test_being_late_costs_a_share_of_all_points_for_each_day_begun():
    rules = Rules(due_on=NOW, policy=LOSES_POINTS, late_percent=10, late_most=25)
    found = [assignments.lost_percent(rules, NOW + late) for late in (0 * DAY, SECOND, DAY + SECOND, 9 * DAY)]
    assert found == [0, 10, 20, 25]
    assert assignments.kept(Fraction(30), Fraction(40), Fraction(25)) == 20
    assert assignments.kept(Fraction(5), Fraction(40), Fraction(25)) == 0


def test_being_late_costs_nothing_where_the_assignment_does_not_say_so():
    assert assignments.lost_percent(Rules(due_on=NOW, late_percent=10), NOW + 5 * DAY) == 0


def test_a_pupil_can_be_given_days_dates_and_versions():
    rules = Rules(due_on=NOW, cut_off_on=NOW + DAY, attempts=1)
    assert assignments.overridden(rules, Override(days=2, attempts=1)) == Rules(
        due_on=NOW + 2 * DAY, cut_off_on=NOW + 3 * DAY, attempts=2
    )
    assert assignments.overridden(rules, Override(due_on=NOW + 5 * DAY)) == Rules(
        due_on=NOW + 5 * DAY, cut_off_on=NOW + 5 * DAY
    )
    assert assignments.overridden(Rules(attempts=0), Override(3, 2)) == Rules(attempts=0)
    assert assignments.overridden(rules, None) == rules
    last = Rules(due_on=datetime(9999, 12, 31))
    assert assignments.overridden(last, Override(days=3650)).due_on == datetime.max


def test_days_more_end_at_the_same_hour_also_when_clocks_change_in_between():
    # In Paris, clocks go forward in the night before 29 March 2026.
    due_on = datetime(2026, 3, 27, 18, 0)
    assert assignments.overridden(Rules(due_on=due_on), Override(days=3)).due_on == datetime(2026, 3, 30, 18, 0)


def test_what_was_given_back_is_in_time_until_the_day_that_was_said():
    rules = Rules(due_on=NOW, cut_off_on=NOW + DAY)
    assert assignments.again(rules, NOW + 4 * DAY) == Rules(due_on=NOW + 4 * DAY, cut_off_on=NOW + 4 * DAY)
    assert assignments.again(rules, NOW - DAY) == rules
    assert assignments.again(rules, None) == rules
    assert assignments.again(Rules(), NOW) == Rules()


@pytest.mark.parametrize(
    ("allowed", "states", "left"),
    [
        (1, [], 1),
        (1, [SUBMITTED], 0),
        (1, [GRADED], 0),
        (1, [RETURNED], 1),
        (1, [RETURNED, GRADED], 0),
        (1, [GRADED, RETURNED], 1),
        (2, [REPLACED, SUBMITTED], 0),
        (3, [REPLACED, SUBMITTED], 1),
        (0, [GRADED] * 9, None),
    ],
)
def test_versions_are_counted_but_for_those_that_a_teacher_gave_back(allowed, states, left):
    rules = Rules(attempts=allowed)
    assert assignments.left(rules, states) == left
    assert (assignments.obstacle(rules, states, NOW) == assignments.NONE_LEFT) == (left == 0)


def test_a_rubric_gives_the_points_of_the_levels_that_were_chosen():
    found = assignments.chosen(HALF, {"a": "a2", "b": "b1"})
    assert [level.points for _, level in found] == [4, 0]
    assert assignments.most_of(HALF) == Fraction("6.5")


def test_a_criterion_may_still_be_open_and_nothing_foreign_be_chosen():
    assert [level for _, level in assignments.chosen(HALF, {"b": "b2", "a": ""})] == [None, HALF[1].levels[1]]
    for levels, reason in (
        ({"c": "a1"}, assignments.UNKNOWN_CRITERION),
        ({"a": "b1"}, assignments.UNKNOWN_LEVEL),
    ):
        with pytest.raises(assignments.InvalidChoiceError) as told:
            assignments.chosen(HALF, levels)
        assert told.value.reason == reason


@pytest.mark.parametrize(
    ("criteria", "levels", "reasons"),
    [
        (["Crumb"], [("Crumb", "Open", 4), ("Crumb", "Dense", 0)], []),
        ([" Crumb"], [("Crumb ", "Open", 4)], []),
        ([], [], [assignments.NO_CRITERION]),
        (["Crumb", "Crumb"], [("Crumb", "Open", 4)], [assignments.SAME_CRITERION]),
        (["Crumb"], [("Crust", "Brown", 4)], [assignments.FOREIGN_LEVEL, assignments.NO_LEVEL]),
        (["Crumb"], [("Crumb", "Open", 4), ("Crumb", "Open", 3)], [assignments.SAME_LEVEL]),
        (["Crumb"], [("Crumb", "Open", 0)], [assignments.NO_POINTS]),
    ],
)
def test_a_rubric_by_which_nobody_could_judge_is_told(criteria, levels, reasons):
    assert assignments.rubric_faults(criteria, levels) == reasons


def test_a_rubric_has_no_more_rows_than_its_form():
    few = [("Crumb", f"Level {number}", 1) for number in range(assignments.MOST_LEVELS)]
    assert assignments.rubric_faults(["Crumb"], few) == []
    assert assignments.rubric_faults(["Crumb"], [*few, ("Crumb", "One more", 1)]) == ["too_many_rows"]
    many = [str(number) for number in range(assignments.MOST_CRITERIA + 1)]
    assert assignments.rubric_faults(many, [(title, "Met", 1) for title in many]) == ["too_many_rows"]


def test_only_what_is_graded_counts_by_the_last_or_the_highest_version():
    versions = [(GRADED, Fraction(90)), (GRADED, Fraction(70)), (RETURNED, Fraction(100)), (SUBMITTED, Fraction(99))]
    assert assignments.result("Last", versions) == 70
    assert assignments.result("Highest", versions) == 90
    assert assignments.result("Last", versions[2:]) is None


def test_endings_are_read_as_teachers_write_them():
    assert assignments.endings(" .PDF, *.odt;docx,, pdf ") == ("pdf", "odt", "docx")
    assert assignments.endings(None) == ()
    assert [assignments.ending(name) for name in ("a.PDF", "a.tar.gz", "pdf", ".pdf", "a.")] == [
        "pdf",
        "gz",
        "",
        "",
        "",
    ]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("loaf.jpg", b"\xff\xd8\xff\xe0", ""),
        ("loaf.JPG", b"\xff\xd8\xff\xe0", ""),
        ("loaf.txt", b"anything", ""),
        ("loaf.html", b"<script>", assignments.BAD_FILE_TYPE),
        ("jpg", b"\xff\xd8\xff", assignments.BAD_FILE_TYPE),
        ("loaf.jpg.html", b"\xff\xd8\xff", assignments.BAD_FILE_TYPE),
        ("loaf.jpg", b"<script>", assignments.BAD_FILE_CONTENT),
        ("loaf.txt", b"", assignments.EMPTY_FILE),
        ("loaf.txt", b"x" * (assignments.MEGABYTE + 1), assignments.FILE_TOO_BIG),
    ],
)
def test_a_file_is_taken_by_its_type_its_beginning_and_its_size(name, content, reason):
    assert assignments.file_fault(name, content, ("jpg", "txt"), 1) == reason


def test_a_file_keeps_its_name_and_nothing_that_leads_elsewhere():
    assert assignments.plain_name("C:\\Users\\ada\\My loaf.jpg") == "My loaf.jpg"
    assert assignments.plain_name("../../etc/passwd") == "passwd"
    assert assignments.plain_name("a\r\nSet-Cookie: x.pdf") == "a Set-Cookie: x.pdf"
    assert assignments.plain_name(None) == ""
    long = assignments.plain_name("é" * 300 + ".docx")
    assert (len(long), long[-5:]) == (assignments.LONGEST_NAME, ".docx")


@pytest.mark.parametrize("text", ["https://example.org/a?b=c#d", "http://example.org:8080", "https://exämple.org/ü"])
def test_an_address_of_the_web_is_one(text):
    assert assignments.is_web_address(text)


@pytest.mark.parametrize(
    "text",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "example.org",
        "//example.org",
        "https://",
        "https://a b",
        "https://a:x",
    ],
)
def test_what_a_browser_would_do_something_else_with_is_no_address(text):
    assert not assignments.is_web_address(text)


def test_a_reader_elsewhere_is_told_what_their_own_clock_shows():
    assert assignments.elsewhere(NOW, "Europe/Paris", "America/New_York") == NOW - timedelta(hours=6)
    # For some weeks of the year one of them has changed its clocks and the other has not.
    march = datetime(2026, 3, 20, 18, 0)
    assert assignments.elsewhere(march, "Europe/Paris", "America/New_York") == march - timedelta(hours=5)
    for reader in ("Europe/Paris", "Europe/Berlin", None, "Nowhere/At_All", "../etc"):
        assert assignments.elsewhere(NOW, "Europe/Paris", reader) is None


moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1))
rules_with_dates = st.builds(
    Rules,
    due_on=st.none() | moments,
    cut_off_on=st.none() | moments,
    policy=st.sampled_from([assignments.ACCEPTED, LOSES_POINTS, NOT_ACCEPTED]),
    late_percent=st.floats(0, 100),
    late_most=st.floats(0, 100),
    attempts=st.integers(0, 5),
)
known_states = st.lists(st.sampled_from([SUBMITTED, GRADED, RETURNED, REPLACED]), max_size=6)


@given(rules_with_dates, st.integers(0, 60), st.integers(0, 9), known_states, moments)
def test_nobody_gets_less_by_more_days_and_versions(rules, days, more, states, moment):
    other = assignments.overridden(rules, Override(days, more))
    assert assignments.lost_percent(other, moment) <= assignments.lost_percent(rules, moment)
    assert not (assignments.is_late(other, moment) and not assignments.is_late(rules, moment))
    if not assignments.obstacle(rules, states, moment):
        assert not assignments.obstacle(other, states, moment)


@given(rules_with_dates, moments, moments)
def test_nobody_gets_less_by_a_work_that_was_given_back(rules, until, moment):
    other = assignments.again(rules, until)
    assert assignments.lost_percent(other, moment) <= assignments.lost_percent(rules, moment)
    if not assignments.obstacle(rules, [], moment):
        assert not assignments.obstacle(other, [], moment)


@given(rules_with_dates, moments, st.floats(0, 500), st.floats(0, 1))
def test_points_are_never_less_than_nothing_nor_more_than_were_given(rules, moment, most, share):
    whole = attempts.exact(most)
    given_points = whole * attempts.exact(share)
    kept = assignments.kept(given_points, whole, assignments.lost_percent(rules, moment))
    assert 0 <= kept <= given_points


@given(rules_with_dates, moments, st.timedeltas(timedelta(0), timedelta(days=40)))
def test_whoever_hands_in_later_never_loses_less(rules, moment, later):
    assert assignments.lost_percent(rules, moment) <= assignments.lost_percent(rules, moment + later)


@given(st.text(max_size=400))
def test_no_name_of_a_file_holds_a_folder_or_a_line_break(text):
    name = assignments.plain_name(text)
    assert len(name) <= assignments.LONGEST_NAME
    assert not set(name) & {"/", "\\", "\n", "\r", "\0"}
