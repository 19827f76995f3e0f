import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lms_app.services import colours, cover, sheet

TEMPLATE = Path(sheet.__file__).parents[1] / "templates" / "learn" / "sheet.html"
TOKENS = {token: getattr(colours.PALETTES[0], token) for token in colours.TOKENS}


@given(st.text(max_size=50), st.sampled_from(cover.MOTIFS), st.sampled_from(colours.PALETTES))
def test_a_drawing_brings_its_colours_along(text, motif, palette):
    tokens = {token: getattr(palette, token) for token in colours.TOKENS}
    shapes = [one for one in ElementTree.fromstring(sheet.art(text, motif, tokens, 4, 12)).iter() if one.tag[0] in "pc"]  # noqa: S314 - our own drawing
    assert shapes
    assert all(colours.HEX.fullmatch(one.get("fill")) and not one.get("class") for one in shapes)


@pytest.mark.parametrize(
    "url", ["https://example.org/", "file:///etc/passwd", "/files/x.png", "ftp://x", " data:,", ""]
)
def test_a_printed_page_fetches_nothing(url):
    with pytest.raises(sheet.RefusedAddressError):
        sheet.fetch(url)


def test_its_template_escapes_all_that_somebody_wrote():
    text = TEMPLATE.read_text()
    assert "{% autoescape true -%}" in text
    # Typefaces and drawings are the app's own.
    assert {*re.findall(r"\{\{ (\w+) \| safe \}\}", text)} == {"head", "art"}
    assert text.count("| safe") == len(re.findall(r"\{\{ \w+ \| safe \}\}", text))
