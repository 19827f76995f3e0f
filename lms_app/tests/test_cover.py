import re
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lms_app.services import cover


@given(st.text(max_size=200), st.sampled_from(cover.MOTIFS))
def test_the_same_text_is_always_drawn_the_same(text, motif):
    assert cover.draw(text, motif) == cover.draw(text, motif)


@given(st.text(max_size=200), st.sampled_from(cover.MOTIFS))
def test_a_drawing_is_well_formed_and_holds_nothing_but_shapes(text, motif):
    drawing = cover.draw(text, motif)
    names = {element.tag for element in ElementTree.fromstring(drawing).iter()}  # noqa: S314 - our own drawing
    assert names <= {"svg", "g", "path", "circle"}


@pytest.mark.parametrize("motif", cover.MOTIFS)
def test_a_drawing_is_small_and_hidden_from_screen_readers(motif):
    drawing = cover.draw("Tech School", motif)
    assert len(drawing) < 6000
    assert 'aria-hidden="true"' in drawing


def test_an_unknown_motif_falls_back_instead_of_failing():
    assert cover.draw("x", "Waves") == cover.draw("x", cover.MOTIFS[0])


def test_every_colour_class_is_in_the_stylesheet():
    from pathlib import Path

    sheet = (Path(cover.__file__).parents[1] / "templates/learn/learn.css").read_text()
    assert set(re.findall(r"\.(c\d)\b", sheet)) == set(cover.FILLS)
