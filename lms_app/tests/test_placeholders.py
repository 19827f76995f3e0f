import pytest
from hypothesis import given
from hypothesis import strategies as st
from lms_app.services import placeholders

VALUES = {name: f"<{name}>" for name in placeholders.NAMES}
words = st.dictionaries(st.sampled_from(placeholders.NAMES), st.text(max_size=20), max_size=6).map(
    lambda given: {**dict.fromkeys(placeholders.NAMES, ""), **given}
)


def test_every_gap_is_filled_in():
    assert placeholders.fill(" ".join(placeholders.ALL), VALUES) == " ".join(VALUES.values())


@pytest.mark.parametrize("text", ["{{ 7 * 7 }}", "{% raw %}", "{pupil.__class__}", "{Pupil}", "{ pupil }", "{}", "{0}"])
def test_braces_that_are_no_gap_stay_as_they_are(text):
    assert placeholders.fill(text, VALUES) == text


@given(words)
def test_what_is_put_in_is_never_looked_at_again(values):
    assert placeholders.fill("{pupil}", {**values, "pupil": "{course}"}) == "{course}"
    assert placeholders.fill("{{pupil}}", values) == f"{{{values['pupil']}}}"


@given(st.text(alphabet="{}abcpupil _.", max_size=40), words)
def test_whatever_somebody_writes_is_filled_in_or_left(text, values):
    assert isinstance(placeholders.fill(text, values), str)


def test_what_somebody_took_for_a_gap_is_named_once():
    text = "{pupil} {pupl} { course } {pupl} {{ date }} {a b} {}"
    assert placeholders.unknown(text) == ["{pupl}", "{ course }", "{ date }"]
    assert placeholders.unknown(" ".join(placeholders.ALL)) == []
