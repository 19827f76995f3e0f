import pytest
from hypothesis import given
from hypothesis import strategies as st
from lms_app.services import question_formats, questions, scoring
from lms_app.services.question_formats import CSV, GIFT, Fault


def gift(text):
    found = question_formats.read(text, GIFT)
    assert found.faults == []
    return found.questions


def table(*lines, head="kind,question,right,wrong,points,tolerance,explanation,title"):
    return question_formats.read("\n".join((head, *lines)), CSV)


def test_one_right_choice_with_feedback_and_an_explanation():
    [one] = gift("::Yeast::What does yeast make? {\n=gas#Yes.\n~salt\n~%50%acid#Partly.\n####Carbon dioxide.\n}")
    assert (one["title"], one["kind"], one["body"]) == ("Yeast", scoring.SINGLE, "What does yeast make?")
    assert one["explanation"] == "Carbon dioxide."
    assert [(row["text"], row["weight"], row["feedback"]) for row in one["options"]] == [
        ("gas", 100, "Yes."),
        ("salt", 0, ""),
        ("acid", 50, "Partly."),
    ]


def test_each_kind_of_gift():
    kinds = {
        "A {=x =y}": scoring.SHORT_TEXT,
        "A {~%50%x ~%50%y ~%-100%z}": scoring.MULTIPLE,
        "A {T}": scoring.TRUE_FALSE,
        "A {false#no#yes}": scoring.TRUE_FALSE,
        "A {#3.14:0.01}": scoring.NUMERIC,
        "A {=x -> 1 =y -> 2}": scoring.MATCHING,
        "A {}": scoring.ESSAY,
    }
    assert [one["kind"] for one in gift("\n\n".join(kinds))] == [*kinds.values()]


def test_numbers_by_tolerance_range_and_weight():
    [one, other, third] = gift("A {#5:0.5}\n\nB {#1..2}\n\nC {#=10:0 =%50%10:2}")
    assert [(row["key"], row["tolerance"]) for row in one["options"] + other["options"]] == [("5", 0.5), ("1.5", 0.5)]
    assert [(row["tolerance"], row["weight"]) for row in third["options"]] == [(0, 100), (2, 50)]


def test_a_missing_word_stays_in_its_sentence():
    [one] = gift("Bread is mostly {=time ~salt} and flour.")
    assert one["body"] == "Bread is mostly … and flour."


def test_escaped_signs_are_themselves_and_comments_are_nothing():
    [one] = gift("// a note\n$CATEGORY: x\n\nIs 1 \\= 1 \\{sure\\}?\\nSay so. {=a\\=b ~c\\~d}")
    assert one["body"] == "Is 1 = 1 {sure}?\nSay so."
    assert [row["text"] for row in one["options"]] == ["a=b", "c~d"]


def test_every_line_that_cannot_be_read_is_named_and_the_others_do_not_hide_it():
    text = "Fine {=a ~b}\n\nNo answer\n\nOpen {=a ~b\n\nOdd {=%x%a ~b}\n\nHalf {=a -> =b -> 2}\n\n{=a ~b}"
    assert question_formats.read(text, GIFT).faults == [
        Fault(3, question_formats.NO_ANSWER),
        Fault(5, question_formats.UNCLOSED),
        Fault(7, question_formats.BAD_WEIGHT),
        Fault(9, question_formats.BAD_PAIR),
        Fault(11, questions.NO_TEXT),
    ]


def test_each_kind_in_a_table():
    found = table(
        "Single Choice,Which?,a,b|c,2,,Because.,Title",
        "multiple choice,Which?,a|b,c,,,,",
        "True or False,So?,false,,,,,",
        "Short Text,Which?,gluten|protein,,,,,",
        'Numeric,How much?,"3,5",,,0.5,,',
        "Matching,Which?,volt=U|ampere=I,P,,,,",
        "Ordering,Which?,mix|fold|bake,,,,,",
        "Cloze,[[1]] and [[2]],1=salt|2=water|2=milk,,,,,",
        "Essay,Why?,,,,,,",
    )
    assert found.faults == []
    assert [one["kind"] for one in found.questions] == [
        scoring.SINGLE, scoring.MULTIPLE, scoring.TRUE_FALSE, scoring.SHORT_TEXT, scoring.NUMERIC,
        scoring.MATCHING, scoring.ORDERING, scoring.CLOZE, scoring.ESSAY,
    ]  # fmt: skip
    assert (found.questions[0]["points"], found.questions[0]["title"]) == (2, "Title")
    assert found.questions[5]["options"][-1] == {"text": "", "key": "P", "weight": 0}
    assert [row["gap"] for row in found.questions[7]["options"]] == [1, 2, 2]


def test_a_table_may_have_semicolons_and_texts_of_several_lines():
    found = table('Essay;"One\ntwo";', "Nonsense;Why?;", head="\ufeffKind;Question;Right")
    assert found.questions[0]["body"] == "One\ntwo"
    assert found.faults == [Fault(4, question_formats.BAD_KIND)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("Single Choice,Which?,a,,,,,", questions.FEW_OPTIONS),
        ("Matching,Which?,a|b=1,,,,,", question_formats.BAD_PAIR),
        ("Cloze,[[1]],x=salt,,,,,", question_formats.BAD_PAIR),
        ("Essay,Why?,,,many,,,", question_formats.BAD_POINTS),
        ("Numeric,Why?,1,,,some,,", questions.BAD_NUMBER),
        ("True or False,Why?,perhaps,,,,,", questions.NO_TRUTH),
        ('Essay,"Why?', question_formats.UNCLOSED),
    ],
)
def test_what_is_wrong_with_a_row_is_said(line, reason):
    assert table(line).faults == [Fault(2, reason)]


def test_a_table_without_its_columns_and_an_empty_text_are_told():
    assert table("x", head="a,b").faults == [Fault(1, question_formats.NO_COLUMN)]
    for form in (GIFT, CSV):
        head = "kind,question,right" if form == CSV else ""
        assert question_formats.read(head, form).faults == [Fault(1, question_formats.EMPTY)]
        assert question_formats.read("x" * 1_000_001, form).faults == [Fault(1, question_formats.TOO_LONG)]


@given(st.text(alphabet="{}=~#%->:\\\n\"',;|.0123456789abcTF$/[] ", max_size=120), st.sampled_from((GIFT, CSV)))
def test_whatever_is_sent_is_read_or_refused_and_never_a_fault(text, form):
    head = "kind,question,right\n" if form == CSV else ""
    found = question_formats.read(head + text, form)
    assert all(fault.line >= 1 for fault in found.faults)
    for one in found.questions:
        assert questions.faults(one, one["options"]) == []
