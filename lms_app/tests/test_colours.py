import dataclasses

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lms_app.services import colours

colour = st.from_regex(r"#[0-9a-f]{6}", fullmatch=True)


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#000000", "#FFFFFF", 21.0),
        ("#FFFFFF", "#FFFFFF", 1.0),
        ("#777777", "#FFFFFF", 4.478),
        ("#FF0000", "#FFFFFF", 3.998),
    ],
)
def test_contrast_is_what_wcag_says(one, other, ratio):
    assert colours.contrast(one, other) == pytest.approx(ratio, abs=0.001)


@given(colour, colour)
def test_contrast_does_not_care_which_colour_is_in_front(one, other):
    assert colours.contrast(one, other) == colours.contrast(other, one)
    assert 1 <= colours.contrast(one, other) <= 21


@pytest.mark.parametrize("text", ["", "red", "#fff", "#12345", "#1234567", "#12345g", "#123456\n", " #123456", None])
def test_what_is_no_colour_is_refused(text):
    with pytest.raises(colours.InvalidColourError):
        colours.read(text)


@given(colour)
def test_a_colour_reads_back_as_it_was_written(text):
    assert colours.write(colours.read(text)) == text.upper()


@pytest.mark.parametrize("palette", colours.PALETTES, ids=lambda palette: palette.accent)
def test_every_palette_can_be_read_in_light_and_in_dark(palette):
    light = {token: getattr(palette, token) for token in colours.TOKENS}
    assert colours.weak_pairs(light) == []
    assert colours.weak_pairs(colours.dark_scheme(light)) == []


@given(st.fixed_dictionaries(dict.fromkeys(colours.TOKENS, colour)))
def test_the_dark_scheme_can_be_read_whatever_a_school_has_chosen(tokens):
    dark = colours.dark_scheme(tokens)
    assert colours.weak_pairs(dark) == []
    assert colours.luminance(dark["paper"]) < 0.05


@given(colour, colour)
def test_a_colour_made_readable_stands_out_as_much_as_asked(front, ground):
    assert colours.contrast(colours.readable(front, ground, 4.5), ground) >= 4.5


def test_a_weak_pair_is_named_with_its_contrast_and_what_is_needed():
    tokens = {**dataclasses.asdict(colours.PALETTES[0]), "muted": "#CCCCCC"}
    ((front, back, ratio, needed),) = colours.weak_pairs(tokens)
    assert (front, back, needed) == ("muted", "paper", 4.5)
    assert ratio < 2


@given(st.text(max_size=140))
@example("s\u0131ra")
def test_a_name_always_begins_with_the_same_palette(title):
    assert colours.palette_for(title) == colours.palette_for(f"  {title.upper().lower()} ".strip() or title)


def test_the_two_schools_of_the_example_do_not_look_alike():
    tech, cuisine = colours.palette_for("Tech School"), colours.palette_for("Cuisine School")
    assert tech.accent != cuisine.accent
    assert tech.headlines != cuisine.headlines
    assert tech.motif != cuisine.motif
