"""The printed page of a certificate: what is drawn on it, and how much of a text fits.

Pure: nothing here needs a site. WeasyPrint and the maker of QR codes are what Frappe itself brings; they are loaded
when a page is printed, because that takes longer than most requests.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from lms_app.services import colours, cover

# How much smaller the words are set, one after the other, until all of them are on one page.
SCALES = (1.0, 0.88, 0.76, 0.64, 0.52, 0.42)
# PDF/UA: tags, title and language are in it, so that it can be read out.
VARIANT = "pdf/ua-1"

_FILL = re.compile(r'class="(c\d)"')


class RefusedAddressError(ValueError):
    """Carry the address that a page asked for."""


def art(text: str, motif: str, tokens: Mapping[str, str], columns: int, rows: int) -> str:
    """Return a cover as SVG that brings its colours along: a printed page has no stylesheet that reaches into it."""
    mixed = colours.mix(tokens["paper"], tokens["accent"], 0.38)
    fills = {"c1": tokens["accent"], "c2": tokens["highlight"], "c3": tokens["ink"], "c4": mixed}
    return _FILL.sub(lambda found: f'fill="{fills[found[1]]}"', cover.draw(text, motif, columns, rows))


def code_path(text: str) -> tuple[str, int]:
    """Return a text as a QR code: the path of its dark squares for SVG, and how many squares a side has."""
    import pyqrcode

    rows = pyqrcode.create(text, error="M").code
    squares = (f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, dark in enumerate(row) if dark)
    return "".join(squares), len(rows)


def print_page(page: Callable[[float], str]) -> bytes:
    """Return one page as PDF. page: makes its HTML in a scale, 1 for the usual one.

    Nothing is fetched but what the page itself holds as `data:`. What fits in no scale is cut off.
    """
    from weasyprint import HTML

    for scale in SCALES:
        document = HTML(string=page(scale), url_fetcher=fetch).render()
        if len(document.pages) == 1:
            break
    # A copy of the document would lose the tags.
    del document.pages[1:]
    return document.write_pdf(pdf_variant=VARIANT)


def fetch(url: str, *_: Any, **__: Any) -> dict[str, Any]:
    """Return what a `data:` address holds, for WeasyPrint; raises RefusedAddressError for every other address."""
    if not url.lower().startswith("data:"):
        raise RefusedAddressError(url)
    from weasyprint import default_url_fetcher

    return default_url_fetcher(url)
