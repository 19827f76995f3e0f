import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lms_app.services import lesson_form, recipe
from lms_app.services.lesson_form import read, written

texts = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=40)


def test_a_block_keeps_what_its_kind_says_and_nothing_else():
    sent = {"kind": "Image", "file": "f1", "alt_text": " A stove ", "body": "left over", "url": "https://example.com"}
    kept = read(sent).row
    assert kept == {"kind": "Image", "title": "", "anchor": "", "file": "f1", "alt_text": "A stove", "is_decorative": 0}


def test_a_kind_that_there_is_not_is_refused():
    for kind in ("", "Script", "image"):
        with pytest.raises(lesson_form.UnreadableError, match="bad_block"):
            read({"kind": kind})


def test_a_text_that_is_too_long_is_refused():
    for sent in ({"kind": "Image", "alt_text": "x" * 1001}, {"kind": "Markdown", "body": "x" * 100_001}):
        with pytest.raises(lesson_form.UnreadableError, match="too_long"):
            read(sent)


def test_an_anchor_is_a_word_or_is_not_kept():
    assert read({"kind": "Code", "anchor": "a1b2c3d4"}).row["anchor"] == "a1b2c3d4"
    assert read({"kind": "Code", "anchor": '"><script>'}).row["anchor"] == ""


def test_captions_are_those_lines_of_a_video_that_have_a_file():
    lines = {"caption.0.file": "f1", "caption.0.language": "en", "caption.1.language": "fr", "caption.1.file": ""}
    lines |= {"caption.2.file": "f2", "caption.2.language": "de", "caption.2.remove": "1"}
    assert read({"kind": "Video", **lines}).captions == [{"language": "en", "label": "", "file": "f1"}]
    assert read({"kind": "Audio", **lines}).captions == []


def test_a_recipe_is_read_from_its_lines_and_empty_ones_are_passed_over():
    sent = {"kind": "Recipe", "servings": "4", "allergen.milk": "1", "allergen.gluten": ""}
    sent |= {"ingredient.0.name": "flour", "ingredient.0.amount": "0,5", "ingredient.0.unit": "kg"}
    sent |= {"ingredient.1.name": "", "ingredient.1.amount": "", "ingredient.2.name": "salt"}
    sent |= {"step.0.text": "Rest.", "step.0.minutes": "1.5", "step.1.text": "", "step.1.minutes": ""}
    found = recipe.read(read(sent).row["recipe"])
    assert found.servings == 4
    assert [(one.name, one.amount, one.unit) for one in found.ingredients] == [("flour", 0.5, "kg"), ("salt", None, "")]
    assert [(one.text, one.timer) for one in found.steps] == [("Rest.", 90)]
    assert found.allergens == ("milk",)


def test_an_unfinished_recipe_is_kept_as_it_was_written():
    sent = {"kind": "Recipe", "servings": "some", "ingredient.0.name": "salt", "ingredient.0.amount": "a pinch"}
    kept = read(sent).row
    with pytest.raises(recipe.InvalidRecipeError):
        recipe.read(kept["recipe"])
    shown = written(kept)
    assert (shown["servings"], shown["ingredient.0.amount"]) == ("some", "a pinch")


def test_a_recipe_without_anything_in_it_is_none():
    assert read({"kind": "Recipe", "ingredient.0.name": " "}).row["recipe"] == ""


def test_what_is_no_recipe_is_shown_as_an_empty_one():
    for data in ("{", "[]", '{"ingredients": "salt", "steps": [1]}', None):
        assert "ingredient.0.name" not in written({"kind": "Recipe", "recipe": data})


def test_lines_come_in_the_order_of_their_numbers():
    sent = {"step.10.text": "last", "step.2.text": "first", "step.x.text": "none"}
    assert [line["text"] for line in lesson_form.lines(sent, "step")] == ["first", "last"]


@given(
    kind=st.sampled_from(sorted({*lesson_form.FIELDS} - {"Recipe"})),
    title=texts,
    more=st.fixed_dictionaries(dict.fromkeys(("body", "url", "alt_text", "transcript", "code_language"), texts)),
    checked=st.sampled_from(["", "1"]),
    duration=st.integers(0, 99_999),
)
def test_what_is_shown_and_sent_again_stays_the_same(kind, title, more, checked, duration):
    sent = {"kind": kind, "title": title, **more, "is_decorative": checked, "has_no_speech": checked}
    sent |= {"duration": str(duration), "tone": "Tip", "caption.0.file": "f", "caption.0.language": "en"}
    block = read(sent)
    assert read(written(block.row, block.captions)) == block


@given(
    servings=st.integers(1, 10_000),
    amounts=st.lists(st.none() | st.integers(1, 999_999).map(lambda n: n / 1000), min_size=1, max_size=4),
    seconds=st.lists(st.integers(0, recipe.LONGEST_TIMER_S), min_size=1, max_size=4),
    allergens=st.sets(st.sampled_from(recipe.ALLERGENS)),
)
def test_a_recipe_that_is_shown_and_sent_again_is_the_same_dish(servings, amounts, seconds, allergens):
    told = {
        "servings": servings,
        "ingredients": [{"name": "salt", **({} if amount is None else {"amount": amount})} for amount in amounts],
        "steps": [{"text": "Wait.", "timer": timer} for timer in seconds],
        "allergens": sorted(allergens),
    }
    again = read(written({"kind": "Recipe", "recipe": json.dumps(told)})).row["recipe"]
    assert recipe.read(again) == recipe.read(told)
