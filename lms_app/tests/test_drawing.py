import pytest
from hypothesis import given
from hypothesis import strategies as st
from lms_app.services import drawing, scoring
from lms_app.services.drawing import Slot
from lms_app.services.scoring import Option, Question

BANK = [f"q{number}" for number in range(20)]


def drawn(slots, seed="seed", *, is_shuffled=False):
    return drawing.draw(slots, drawing.generator(seed), is_shuffled=is_shuffled)


def shown(question, seed="seed", body="", *, is_shuffled=True):
    return drawing.show(question, body, drawing.generator(seed), is_shuffled=is_shuffled)


def options(number):
    return [Option(f"row{n}", f"text {n}", f"key {n}") for n in range(number)]


def test_fixed_questions_stand_where_they_were_put():
    assert drawn([Slot(["b"]), Slot(["a"], points=3)]) == [("b", None), ("a", 3)]


def test_the_same_seed_draws_the_same_and_another_seed_something_else():
    slots = [Slot(BANK, 5)]
    assert drawn(slots) == drawn(slots)
    assert len({str(drawn(slots, str(seed))) for seed in range(10)}) > 5


def test_more_than_there_are_cannot_be_drawn():
    for slots in ([Slot(["a", "b"], 3)], [Slot(["a"]), Slot(["a"])], [Slot([])], [Slot(["a"]), Slot(["a", "b"], 2)]):
        with pytest.raises(drawing.TooFewQuestionsError):
            drawn(slots)


@given(st.integers(1, 9), st.integers(1, 9), st.booleans(), st.text(max_size=8))
def test_no_question_is_asked_twice(one, other, is_shuffled, seed):
    slots = [Slot(BANK, one), Slot([BANK[3]]), Slot(BANK, other)]
    names = [name for name, _ in drawn(slots, seed, is_shuffled=is_shuffled)]
    assert len(names) == len({*names}) == one + other + 1
    assert BANK[3] in names


@given(st.sampled_from(scoring.KINDS), st.integers(2, 8), st.text(max_size=8), st.booleans())
def test_what_is_shown_names_no_row(kind, number, seed, is_shuffled):
    found = shown(Question(kind, options(number)), seed, "[[1]]", is_shuffled=is_shuffled)
    ids = [one["id"] for one in (*found.items, *found.targets)]
    assert len(ids) == len({*ids}) == len(found.refs)
    assert not any("row" in str(one) for one in (*found.items, *found.targets))
    assert {*found.refs.values()} <= {f"row{n}" for n in range(number)}


def test_each_attempt_calls_the_same_option_something_else():
    question = Question(scoring.SINGLE, options(4))
    assert shown(question, "one").refs.keys().isdisjoint(shown(question, "other").refs.keys())


@given(st.integers(2, 8), st.text(max_size=8))
def test_an_order_is_never_shown_as_it_is(number, seed):
    texts = [item["text"] for item in shown(Question(scoring.ORDERING, options(number)), seed).items]
    assert texts != [f"text {n}" for n in range(number)]
    assert sorted(texts) == [f"text {n}" for n in range(number)]


def test_options_stay_in_their_order_unless_they_are_shuffled_and_statements_always_do():
    question = Question(scoring.SINGLE, options(6))
    straight = [f"text {n}" for n in range(6)]
    assert [item["text"] for item in shown(question, is_shuffled=False).items] == straight
    assert any([item["text"] for item in shown(question, str(seed)).items] != straight for seed in range(5))
    statement = Question(scoring.TRUE_FALSE, [Option("True", "True"), Option("False", "False")])
    assert all([i["text"] for i in shown(statement, str(seed)).items] == ["True", "False"] for seed in range(9))


def test_what_belongs_to_several_is_one_target_and_one_too_many_is_among_them():
    rows = [Option("a", "rye", "flour"), Option("b", "wheat", "flour"), Option("c", "", "sugar")]
    found = shown(Question(scoring.MATCHING, rows))
    assert sorted(target["text"] for target in found.targets) == ["flour", "sugar"]
    assert sorted(item["text"] for item in found.items) == ["rye", "wheat"]


def test_accepted_words_are_never_shown():
    for kind in scoring.WRITTEN:
        found = shown(Question(kind, options(3)), body="[[1]] and [[2]] and [[1]]")
        assert (found.items, found.targets, found.refs) == ([], [], {})
    assert found.gaps == [1, 2]
