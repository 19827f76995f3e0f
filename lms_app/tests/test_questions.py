import pytest
from lms_app.services import questions, scoring

TWO = [{"text": "a", "weight": 100}, {"text": "b"}]


def faults(kind, *options, body="What?", **values):
    return questions.faults({"kind": kind, "body": body, **values}, options)


@pytest.mark.parametrize(
    ("kind", "options", "values"),
    [
        (scoring.SINGLE, TWO, {}),
        (scoring.MULTIPLE, TWO, {}),
        (scoring.TRUE_FALSE, [], {"truth": "False"}),
        (scoring.SHORT_TEXT, [{"key": "a"}], {}),
        (scoring.NUMERIC, [{"key": "1,5", "tolerance": 0.1}], {}),
        (scoring.MATCHING, [{"text": "a", "key": "x"}, {"text": "b", "key": "y"}, {"key": "z"}], {}),
        (scoring.ORDERING, [{"text": "a"}, {"text": "b"}], {}),
        (scoring.CLOZE, [{"gap": 1, "key": "a"}], {"body": "[[1]]"}),
        (scoring.ESSAY, [], {}),
    ],
)
def test_a_whole_question_lacks_nothing(kind, options, values):
    assert faults(kind, *options, **values) == []


@pytest.mark.parametrize(
    ("kind", "options", "values", "lacks"),
    [
        (scoring.ESSAY, [], {"body": " "}, [questions.NO_TEXT]),
        (scoring.SINGLE, [{"text": "a", "weight": 100}], {}, [questions.FEW_OPTIONS]),
        (scoring.SINGLE, [{"text": "a", "weight": 50}, {"text": "b"}], {}, [questions.NO_RIGHT]),
        (scoring.SINGLE, [{"text": "a", "weight": 100}, {"text": "a "}], {}, [questions.SAME_OPTION]),
        (scoring.MULTIPLE, [{"text": "a"}, {"text": "b", "weight": -1}], {}, [questions.NO_RIGHT]),
        (scoring.TRUE_FALSE, [], {}, [questions.NO_TRUTH]),
        (scoring.SHORT_TEXT, [], {}, [questions.NO_KEY]),
        (scoring.SHORT_TEXT, [{"key": " "}], {}, [questions.NO_KEY]),
        (scoring.NUMERIC, [{"key": "some"}], {}, [questions.BAD_NUMBER]),
        (scoring.NUMERIC, [{"key": "1", "tolerance": 1e20}], {}, [questions.BAD_NUMBER]),
        (scoring.MATCHING, [{"text": "a", "key": "x"}, {"text": "b"}], {}, [questions.NO_KEY]),
        (scoring.ORDERING, [{"text": "a"}], {}, [questions.FEW_OPTIONS]),
        (scoring.CLOZE, [{"gap": 1, "key": "a"}], {"body": "none"}, [questions.BAD_GAPS]),
        (scoring.CLOZE, [{"gap": 2, "key": "a"}], {"body": "[[1]]"}, [questions.BAD_GAPS]),
    ],
)
def test_what_a_question_lacks_is_named(kind, options, values, lacks):
    assert faults(kind, *options, **values) == lacks


def test_an_accepted_word_is_wholly_right_unless_somebody_says_otherwise():
    rows = [{"key": "a"}, {"key": "b", "weight": 50}, {"key": "c", "weight": -1}]
    for kind in scoring.WRITTEN:
        assert questions.with_weights(kind, rows) == [100, 50, -1]
    assert questions.with_weights(scoring.SINGLE, rows) == [0, 50, -1]


def test_a_statement_needs_no_rows():
    read = questions.read({"kind": scoring.TRUE_FALSE, "truth": "False"}, [])
    assert [(option.name, option.weight) for option in read.options] == [("True", 0), ("False", 100)]
