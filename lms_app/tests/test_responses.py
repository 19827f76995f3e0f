import pytest
from hypothesis import given
from hypothesis import strategies as st
from lms_app.services import responses, scoring

ITEMS = [{"id": one, "text": one.upper()} for one in ("a", "b", "c")]
TARGETS = [{"id": one, "text": one.upper()} for one in ("x", "y")]


def asked(kind):
    return {"kind": kind, "items": ITEMS, "targets": TARGETS, "gaps": [1, 2]}


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        (scoring.SINGLE, "a"),
        (scoring.TRUE_FALSE, "b"),
        (scoring.MULTIPLE, ["c", "a"]),
        (scoring.ORDERING, ["c", "a", "b"]),
        (scoring.MATCHING, {"a": "x", "b": "x"}),
        (scoring.CLOZE, {"2": "salt"}),
        (scoring.SHORT_TEXT, "gluten"),
        (scoring.NUMERIC, "3,14"),
        (scoring.ESSAY, "Because."),
    ],
)
def test_an_answer_that_the_page_can_send_stays_as_it_is(kind, answer):
    assert responses.checked(asked(kind), answer) == answer


@pytest.mark.parametrize("kind", scoring.KINDS)
def test_no_answer_is_one_in_whatever_form(kind):
    for empty in (None, "", [], {}):
        assert responses.checked(asked(kind), empty) is None


@pytest.mark.parametrize(
    ("kind", "answer", "reason"),
    [
        (scoring.SINGLE, "z", responses.FOREIGN),
        (scoring.SINGLE, ["a"], responses.FOREIGN),
        (scoring.MULTIPLE, ["a", "z"], responses.FOREIGN),
        (scoring.MULTIPLE, ["a", "a"], responses.REPEATED),
        (scoring.MULTIPLE, "a", responses.SHAPE),
        (scoring.ORDERING, ["a", "b"], responses.SHAPE),
        (scoring.ORDERING, ["a", "b", "b"], responses.REPEATED),
        (scoring.MATCHING, {"a": "b"}, responses.FOREIGN),
        (scoring.MATCHING, {"x": "x"}, responses.FOREIGN),
        (scoring.MATCHING, ["a"], responses.SHAPE),
        (scoring.CLOZE, {"3": "salt"}, responses.FOREIGN),
        (scoring.CLOZE, {"1": 7}, responses.SHAPE),
        (scoring.SHORT_TEXT, {"1": "a"}, responses.SHAPE),
        (scoring.SHORT_TEXT, "x" * 1001, responses.TOO_LONG),
        (scoring.ESSAY, "x" * 50_001, responses.TOO_LONG),
    ],
)
def test_what_was_never_on_the_page_is_refused(kind, answer, reason):
    with pytest.raises(responses.InvalidAnswerError) as told:
        responses.checked(asked(kind), answer)
    assert told.value.reason == reason


def test_what_the_browser_knows_is_translated_into_rows():
    refs = {"a": "row1", "b": "row2", "x": "row3"}
    assert responses.named(scoring.SINGLE, refs, "a") == "row1"
    assert responses.named(scoring.MULTIPLE, refs, ["b", "c"]) == ["row2", ""]
    assert responses.named(scoring.MATCHING, refs, {"a": "x"}) == {"row1": "row3"}
    assert responses.named(scoring.SHORT_TEXT, refs, "a") == "a"
    assert responses.named(scoring.CLOZE, refs, {"1": "a"}) == {"1": "a"}
    assert responses.named(scoring.SINGLE, refs, None) is None


@pytest.mark.parametrize(
    ("kind", "form", "answer"),
    [
        (scoring.SINGLE, {"q3": "a"}, "a"),
        (scoring.SINGLE, {"q4": "a"}, None),
        (scoring.MULTIPLE, {"q3-b": "1", "q3-a": "1", "q33-c": "1"}, ["a", "b"]),
        (scoring.MATCHING, {"q3-a": "x", "q3-b": ""}, {"a": "x"}),
        (scoring.ORDERING, {"q3-a": "3", "q3-b": "1", "q3-c": "2"}, ["b", "c", "a"]),
        (scoring.ORDERING, {"q3-c": "1"}, ["c", "a", "b"]),
        (scoring.ORDERING, {"q3-c": "", "q3-a": "x"}, None),
        (scoring.SHORT_TEXT, {"q3": "gluten"}, "gluten"),
    ],
)
def test_a_plain_form_says_the_same(kind, form, answer):
    found = responses.of_form(asked(kind), "q3", form)
    assert found == answer
    assert responses.checked(asked(kind), found) == answer


def test_gaps_of_a_plain_form_are_by_their_numbers():
    gaps = {"kind": scoring.CLOZE, "items": [], "targets": [], "gaps": [1, 2]}
    assert responses.of_form(gaps, "q3", {"q3-2": "salt"}) == {"2": "salt"}


anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.sampled_from("abcxyz")),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=3), inner, max_size=4)),
    max_leaves=8,
)


@given(st.sampled_from(scoring.KINDS), anything)
def test_whatever_is_sent_is_an_answer_or_refused_and_never_a_fault(kind, answer):
    try:
        found = responses.checked(asked(kind), answer)
    except responses.InvalidAnswerError:
        return
    assert responses.checked(asked(kind), found) == found
