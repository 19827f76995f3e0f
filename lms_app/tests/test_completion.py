from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from lms_app.services import completion
from lms_app.services.completion import Trace

START = datetime(2026, 3, 2, 9, 0)
# What something else than the page of the lesson knows of.
BY_DEEDS = (completion.QUIZ, completion.SUBMITTED, completion.GRADED)


def after(seconds):
    return START + timedelta(seconds=seconds)


def watch(*beats):
    """Return the trace after (second, claimed seconds, position) of each beat."""
    trace = Trace()
    for second, claimed, position in beats:
        trace = completion.after_beat(trace, claimed, position, after(second))
    return trace


def test_the_first_beat_only_starts_the_clock():
    assert watch((0, 900, 900)) == Trace(0, 0, 0, START, visit_began=START)


def test_a_beat_counts_for_the_time_that_has_passed_and_no_more():
    assert watch((0, 0, 0), (15, 15, 15)).seconds == 15
    assert watch((0, 0, 0), (15, 9999, 15)).seconds == 15
    assert watch((0, 0, 0), (15, 4, 15)).seconds == 4


def test_a_video_at_double_speed_is_watched():
    assert watch((0, 0, 0), (15, 15, 30), (30, 15, 60)).watched == 60


def test_a_jump_to_the_end_is_not_watching():
    trace = watch((0, 0, 0), (15, 15, 15), (16, 1, 600), (31, 15, 615))
    assert trace.watched == 15
    assert trace.position == 615


def test_whoever_jumps_back_goes_on_from_where_they_were():
    assert watch((0, 0, 0), (15, 15, 15), (16, 1, 600), (31, 15, 20), (46, 15, 35)).watched == 35


def test_many_beats_in_a_row_are_no_faster_than_one():
    trace = watch(*((second, 1, 5 * second) for second in range(60)))
    assert trace.watched <= 59 * completion.MAX_SPEED + completion.SLACK_S


def test_beats_that_are_late_every_time_take_nothing_from_whoever_watches_fast():
    trace = Trace()
    for beat in range(40):
        moment = START + timedelta(seconds=15.9 * beat)
        trace = completion.after_beat(trace, 15, int(15.9 * beat * completion.MAX_SPEED), moment)
    assert trace.watched == int(15.9 * 39 * completion.MAX_SPEED)


def test_whoever_was_here_before_goes_on_from_what_they_watched():
    before = Trace(seconds=30, position=30, watched=30, last_beat=START)
    assert completion.after_beat(before, 15, 45, after(15)).watched == 45
    trace = watch((0, 0, 0), (15, 15, 15), (86_400, 0, 15), (86_415, 15, 30))
    assert (trace.watched, trace.visit_from) == (30, 15)


def test_lost_beats_are_made_up_for_and_hours_away_are_not():
    assert watch((0, 0, 0), (60, 60, 60)).watched == 60
    away = watch((0, 0, 0), (36_000, 36_000, 36_000))
    assert away.watched == 0
    assert away.seconds == completion.LONGEST_GAP_S


def test_a_clock_that_is_turned_back_takes_nothing_away():
    trace = watch((60, 0, 0), (75, 15, 15), (10, 15, 30))
    assert trace.seconds == 15
    assert trace.watched == 15


def test_a_video_is_completed_by_the_share_that_was_watched():
    trace = Trace(watched=90)
    assert completion.is_completed(completion.VIDEO, trace, video_percent=90, duration=100)
    assert not completion.is_completed(completion.VIDEO, trace, video_percent=91, duration=100)
    assert not completion.is_completed(completion.VIDEO, trace, video_percent=90, duration=0)


def test_a_lesson_to_view_is_completed_when_it_was_opened_and_a_manual_one_never_by_itself():
    opened = watch((0, 0, None))
    assert completion.is_completed(completion.VIEW, opened)
    assert not completion.is_completed(completion.VIEW, Trace())
    assert not completion.is_completed(completion.MANUAL, opened)


def test_a_word_is_enough_for_all_but_videos_quizzes_and_assignments():
    rules = (completion.MANUAL, completion.VIEW, completion.VIDEO)
    assert [completion.may_be_declared(rule) for rule in rules] == [True, True, False]
    assert not any(completion.may_be_declared(rule) for rule in BY_DEEDS)


def test_a_lesson_with_a_quiz_or_an_assignment_is_not_completed_by_being_there():
    for rule in BY_DEEDS:
        assert not completion.is_completed(rule, watch((0, 0, 60), (60, 60, 60)), duration=60)


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(-10, 10**6), st.integers(-10, 10**6)), max_size=30))
def test_no_browser_can_claim_more_than_the_clock_allows(beats):
    trace, second, visits = Trace(), 0, 1
    for gap, claimed, position in beats:
        second += gap
        visits += gap > completion.LONGEST_GAP_S
        before, trace = trace, completion.after_beat(trace, claimed, position, after(second))
        assert trace.seconds >= before.seconds
        assert trace.watched >= before.watched
        assert trace.position >= 0
    assert trace.seconds <= second
    assert trace.watched <= second * completion.MAX_SPEED + completion.SLACK_S * visits


@given(st.integers(0, 500), st.integers(0, 500))
def test_a_percent_is_never_above_100_and_100_only_when_all_is_done(completed, required):
    percent = completion.percent(completed, required)
    assert 0 <= percent <= 100
    assert (percent == 100) == (required > 0 and completed >= required)
