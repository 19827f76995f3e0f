import itertools

import pytest
from lms_app.services import review, scoring
from lms_app.services.scoring import Option, Question

SECRETS = ("secret-key", "secret-feedback", "secret-explanation")
ASKED = {
    "kind": scoring.SINGLE,
    "body": "Which?",
    "items": [{"id": "x1", "text": "salt"}, {"id": "x2", "text": "flour"}],
}
ROW = {
    "position": 1,
    "response": "x1",
    "refs": {"x1": "row1", "x2": "row2"},
    "points": 0,
    "most": 2,
    "needs_grade": 0,
    "comment": None,
    "explanation": "secret-explanation",
}
QUESTION = Question(
    scoring.SINGLE,
    [Option("row1", "salt", feedback="secret-feedback"), Option("row2", "flour", key="secret-key", weight=100)],
)


def test_before_its_time_a_policy_shows_the_score_at_most():
    found = {
        (policy, when): review.level(policy, when, is_closed=False, attempts_left=1, is_under_way=False)
        for policy, when in itertools.product(review.LEVELS, (review.WHEN_CLOSED, review.AFTER_LAST))
    }
    assert {level for (policy, _), level in found.items() if policy != review.NOTHING} == {review.SCORE}
    assert {level for (policy, _), level in found.items() if policy == review.NOTHING} == {review.NOTHING}


@pytest.mark.parametrize(
    ("when", "is_closed", "left", "is_time"),
    [
        (review.AT_ONCE, False, 3, True),
        (review.WHEN_CLOSED, True, 3, True),
        (review.WHEN_CLOSED, False, 0, False),
        (review.AFTER_LAST, False, 0, True),
        (review.AFTER_LAST, True, 2, True),
        (review.AFTER_LAST, False, None, False),
    ],
)
def test_a_policy_holds_from_when_it_says(when, is_closed, left, is_time):
    level = review.level(review.ANSWERS, when, is_closed=is_closed, attempts_left=left, is_under_way=False)
    assert level == (review.ANSWERS if is_time else review.SCORE)


@pytest.mark.parametrize("when", [review.WHEN_CLOSED, review.AFTER_LAST])
def test_who_is_at_another_attempt_sees_the_score_alone(when):
    level = review.level(review.ANSWERS, when, is_closed=True, attempts_left=0, is_under_way=True)
    assert level == review.SCORE


def test_each_level_shows_what_the_ones_before_do():
    for one, other in itertools.combinations_with_replacement(review.LEVELS, 2):
        assert review.shows(other, one)
        assert review.shows(one, other) == (one == other)


@pytest.mark.parametrize("level", review.LEVELS[:-1])
def test_keys_feedback_and_explanations_are_in_no_level_but_the_last(level):
    told = str(review.of_answer(level, QUESTION, ASKED, ROW))
    assert not any(secret in told for secret in SECRETS)
    assert "flour" not in told


def test_the_last_level_shows_what_was_right_and_why():
    told = review.of_answer(review.ANSWERS, QUESTION, ASKED, ROW)
    assert told["answer"] == ["salt"]
    assert (told["right"], told["feedback"], told["explanation"]) == (
        ["flour"], ["secret-feedback"], "secret-explanation",
    )  # fmt: skip
    assert (told["points"], told["most"]) == (0, 2)


def test_marks_are_shown_from_their_level_on():
    assert "points" not in review.of_answer(review.SCORE, QUESTION, ASKED, ROW)
    assert review.of_answer(review.MARKS, QUESTION, ASKED, ROW)["points"] == 0


def test_a_question_that_is_gone_shows_the_answer_alone():
    assert "right" not in review.of_answer(review.ANSWERS, None, ASKED, ROW)


def test_answers_of_every_kind_are_said_in_words():
    items = {"items": [{"id": "i", "text": "volt"}], "targets": [{"id": "t", "text": "U"}]}
    for kind, answer, words in (
        (scoring.SINGLE, "i", ["volt"]),
        (scoring.MULTIPLE, ["i"], ["volt"]),
        (scoring.MATCHING, {"i": "t"}, ["volt: U"]),
        (scoring.CLOZE, {"2": "b", "1": "a"}, ["1: a", "2: b"]),
        (scoring.SHORT_TEXT, "i", ["i"]),
        (scoring.ESSAY, None, []),
    ):
        assert review.said({"kind": kind, **items}, answer) == words


def test_what_would_have_been_right_is_said_for_every_kind():
    rows = [Option("a", "one", "1", weight=100, gap=1), Option("b", "two", "2", weight=50, gap=2)]
    found = {kind: review.right(Question(kind, rows)) for kind in scoring.KINDS}
    assert found[scoring.SINGLE] == found[scoring.TRUE_FALSE] == ["one"]
    assert found[scoring.MULTIPLE] == found[scoring.ORDERING] == ["one", "two"]
    assert found[scoring.MATCHING] == ["one: 1", "two: 2"]
    assert found[scoring.CLOZE] == ["1: 1", "2: 2"]
    assert found[scoring.ESSAY] == []
    assert review.right(Question(scoring.NUMERIC, [Option("a", key="3", weight=100)])) == ["3"]


def test_feedback_is_of_what_was_answered_alone():
    rows = [Option("a", "one", "1", 100, gap=1, feedback="first"), Option("b", "two", "2", gap=2, feedback="second")]
    for kind, named, said in (
        (scoring.SINGLE, "b", ["second"]),
        (scoring.MULTIPLE, ["a", "b"], ["first", "second"]),
        (scoring.SHORT_TEXT, "1", ["first"]),
        (scoring.SHORT_TEXT, "3", []),
        (scoring.CLOZE, {"2": "2"}, ["second"]),
        (scoring.SINGLE, None, []),
    ):
        assert review.feedback(Question(kind, rows), named) == said
