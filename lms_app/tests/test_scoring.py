from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lms_app.services import scoring
from lms_app.services.scoring import Option, Question

HALF = Fraction(1, 2)


def choice(kind, *weights, **values):
    return Question(kind, [Option(f"o{n}", f"text {n}", weight=weight) for n, weight in enumerate(weights)], **values)


def written(kind, *keys, **values):
    rows = [Option(f"o{n}", key=key, weight=weight, tolerance=off) for n, (key, weight, off) in enumerate(keys)]
    return Question(kind, rows, **values)


def test_one_choice_earns_what_its_option_weighs():
    question = choice(scoring.SINGLE, 100, 50, 0, -50)
    assert [scoring.share(question, f"o{n}") for n in range(4)] == [1, HALF, 0, 0]


def test_an_option_that_is_gone_costs_nothing_among_several():
    options = [Option("a", "A", weight=50), Option("b", "B", weight=50)]
    assert scoring.share(Question(scoring.MULTIPLE, options), ["a", "b", "gone"]) == 1


def test_a_choice_of_an_option_that_is_gone_earns_nothing():
    assert scoring.share(choice(scoring.SINGLE, 100, 0), "gone") == 0
    assert scoring.share(choice(scoring.MULTIPLE, 100, 0), ["gone"]) == 0


def test_a_statement_is_true_or_false():
    question = choice(scoring.TRUE_FALSE, 100, 0)
    assert (scoring.share(question, "o0"), scoring.share(question, "o1")) == (1, 0)


def test_several_choices_earn_their_part_and_wrong_ones_take_it_back():
    question = choice(scoring.MULTIPLE, 100, 100, 0, 0)
    assert scoring.share(question, ["o0", "o1"]) == 1
    assert scoring.share(question, ["o0"]) == HALF
    assert scoring.share(question, ["o0", "o2"]) == 0
    assert scoring.share(question, ["o0", "o1", "o2"]) == HALF


def test_a_wrong_choice_with_a_weight_of_its_own_costs_that():
    question = choice(scoring.MULTIPLE, 50, 50, -25)
    assert scoring.share(question, ["o0", "o1", "o2"]) == Fraction(3, 4)


def test_all_or_nothing_is_what_it_says():
    question = choice(scoring.MULTIPLE, 100, 100, 0, is_partial=False)
    assert scoring.share(question, ["o0"]) == 0
    assert scoring.share(question, ["o1", "o0"]) == 1


def test_taking_everything_is_no_way_to_all_the_points():
    assert scoring.share(choice(scoring.MULTIPLE, 100, 0), ["o0", "o1"]) == 0
    assert scoring.share(choice(scoring.MULTIPLE, 100, 100, 100, 0), ["o0", "o1", "o2", "o3"]) == Fraction(2, 3)


@pytest.mark.parametrize("said", ["baker's percentage", "  Baker's   Percentage ", "\uff22aker's percentage"])
def test_words_count_whatever_their_spaces_and_capitals(said):
    assert scoring.share(written(scoring.SHORT_TEXT, ("Baker's percentage", 100, 0)), said) == 1


def test_capitals_matter_where_a_teacher_says_so():
    question = written(scoring.SHORT_TEXT, ("mA", 100, 0), is_case_sensitive=True)
    assert (scoring.share(question, "mA"), scoring.share(question, "MA")) == (1, 0)


def test_the_best_of_the_accepted_words_counts():
    question = written(scoring.SHORT_TEXT, ("gluten", 50, 0), ("Gluten", 100, 0), ("protein", 25, 0))
    assert scoring.share(question, "GLUTEN") == 1
    assert scoring.share(question, "protein") == Fraction(1, 4)
    assert scoring.share(question, "starch") == 0


@pytest.mark.parametrize(
    ("said", "share"),
    [
        ("300", 1), ("300.5", 1), ("299,5", 1), ("300.51", 0), ("3e2", 1), ("+300", 1), (" 300 ", 1), ("-300", 0),
        ("\u2212300", 0), ("300 ohm", 0), ("three hundred", 0), ("", 0), ("1e999999", 0),
    ],
)  # fmt: skip
def test_a_number_may_be_off_by_its_tolerance_and_no_more(said, share):
    assert scoring.share(written(scoring.NUMERIC, ("300", 100, 0.5)), said) == share


def test_a_wider_tolerance_can_earn_less():
    question = written(scoring.NUMERIC, ("3.14", 100, 0.01), ("3.14", 50, 0.5))
    assert [scoring.share(question, said) for said in ("3.15", "3.5", "4")] == [1, HALF, 0]


def test_numbers_are_read_as_people_write_them():
    found = [scoring.number(said) for said in ("1 000", "1\u202f000,5", "0,1", ".5", "5.", "\u22122", "1,2,3", "0x1f")]
    assert found == [1000, Fraction(2001, 2), Fraction(1, 10), HALF, 5, -2, None, None]


PAIRS = Question(
    scoring.MATCHING,
    [Option("v", "volt", "U"), Option("a", "ampere", "I"), Option("o", "ohm", "R"), Option("x", "", "P")],
)


def test_each_pair_earns_its_part_and_one_too_many_belongs_to_nothing():
    assert scoring.share(PAIRS, {"v": "v", "a": "a", "o": "o"}) == 1
    assert scoring.share(PAIRS, {"v": "v", "a": "o", "o": "x"}) == Fraction(1, 3)
    assert scoring.share(PAIRS, {"v": "gone"}) == 0


def test_two_that_belong_to_the_same_are_both_right_by_either():
    question = Question(scoring.MATCHING, [Option("a", "rye", "flour"), Option("b", "wheat", "flour")])
    assert scoring.share(question, {"a": "a", "b": "a"}) == 1


ORDER = Question(scoring.ORDERING, [Option(name, name) for name in "abcde"])


def test_an_order_earns_by_neighbours():
    assert scoring.share(ORDER, [*"abcde"]) == 1
    assert scoring.share(ORDER, [*"eabcd"]) == Fraction(3, 4)
    assert scoring.share(ORDER, [*"edcba"]) == 0


GAPS = Question(
    scoring.CLOZE,
    [
        Option("a", key="water", weight=100, gap=1),
        Option("b", key="salt", weight=100, gap=2),
        Option("c", key="sea salt", weight=50, gap=2),
    ],
)


def test_each_gap_earns_its_part():
    assert scoring.share(GAPS, {"1": "Water", "2": "salt"}) == 1
    assert scoring.share(GAPS, {"1": "water"}) == HALF
    assert scoring.share(GAPS, {"1": "salt", "2": "sea salt"}) == Fraction(1, 4)


def test_an_essay_waits_for_a_person_unless_there_is_nothing_to_read():
    assert scoring.share(Question(scoring.ESSAY), "Because.") is None
    assert scoring.share(Question(scoring.ESSAY), None) == 0


def test_no_answer_earns_nothing_in_any_kind():
    for question in (choice(scoring.SINGLE, 100), choice(scoring.MULTIPLE, 100), PAIRS, ORDER, GAPS):
        assert scoring.share(question, None) == 0


weights = st.lists(st.integers(-100, 100), min_size=1, max_size=8)


@given(weights, st.data(), st.booleans())
def test_a_share_is_never_outside_of_nothing_and_all(found, data, is_partial):
    for kind in (scoring.SINGLE, scoring.MULTIPLE):
        question = choice(kind, *found, is_partial=is_partial)
        names = [option.name for option in question.options]
        some = st.sampled_from(names) if kind == scoring.SINGLE else st.lists(st.sampled_from(names), unique=True)
        assert 0 <= scoring.share(question, data.draw(some)) <= 1


@given(weights)
def test_all_that_is_right_and_nothing_else_earns_everything(found):
    question = choice(scoring.MULTIPLE, *found)
    taken = [option.name for option in question.options if option.weight > 0]
    assert scoring.share(question, taken) == (1 if taken else 0)


@given(st.permutations("abcde"))
def test_only_the_right_order_earns_everything(order):
    assert (scoring.share(ORDER, order) == 1) == (order == [*"abcde"])


@given(st.text(max_size=40))
def test_whatever_is_written_is_read_without_a_fault(text):
    assert scoring.share(written(scoring.NUMERIC, ("1", 100, 0)), text) in (0, 1)
    assert scoring.share(written(scoring.SHORT_TEXT, ("one", 100, 0)), text) in (0, 1)


@given(st.decimals(-(10**6), 10**6, places=3))
def test_a_number_fits_itself_with_a_point_and_with_a_comma(value):
    question = written(scoring.NUMERIC, (str(value), 100, 0))
    assert scoring.share(question, str(value)) == 1
    assert scoring.share(question, str(value).replace(".", ",")) == 1


@pytest.mark.parametrize("said", ["1e400", "-1e999", "9" * 400, "9" * 5000, "1e101"])
def test_what_is_larger_than_anything_counted_is_no_number(said):
    assert scoring.number(said) is None
    assert scoring.share(written(scoring.NUMERIC, ("1", 100, 0)), said) == 0


@pytest.mark.parametrize("said", ["6.02e23", "0.000000001", "1e-400", "-" + "9" * 12])
def test_what_sciences_count_is_a_number(said):
    assert float(scoring.number(said)) == float(said)
