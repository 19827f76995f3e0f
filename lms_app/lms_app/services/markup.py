"""What people wrote, as HTML that can do nothing but show it; and which addresses may be embedded.

Pure: nothing here needs a site. Whatever was stored is cleaned here, each time that it is shown: an allow-list that
changes holds for old texts as well.
"""

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import markdown2
import nh3

LONGEST_TEXT = 100_000

_ATTRIBUTES = {
    "*": {"dir", "lang"},
    "a": {"href"},
    "abbr": {"title"},
    "ol": {"start", "reversed"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
    "time": {"datetime"},
}
# No pictures and no players: those have blocks of their own, which ask for a description or captions. No h1 either: a
# page has one already.
_TAGS = {
    *("a", "abbr", "b", "bdi", "blockquote", "br", "caption", "cite", "code", "dd", "del", "dfn", "div", "dl", "dt"),
    *("em", "figcaption", "figure", "h2", "h3", "h4", "hr", "i", "ins", "kbd", "li", "mark", "ol", "p", "pre", "q"),
    *("s", "samp", "small", "span", "strong", "sub", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "time"),
    *("tr", "u", "ul", "var"),
}
_SCHEMES = {"http", "https", "mailto", "tel"}
# The same for an editor in a browser.
ALLOWED = {
    "tags": sorted(_TAGS),
    "attributes": {tag: sorted(names) for tag, names in _ATTRIBUTES.items()},
    "schemes": sorted(_SCHEMES),
}
_EXTRAS = {"cuddled-lists": None, "demote-headers": 1, "fenced-code-blocks": None, "strike": None, "tables": None}


@dataclass(frozen=True)
class Embed:
    """Something of another service that a page may show after a click.

    provider: its name. address: of the frame. page: for those who rather go there.
    """

    provider: str
    address: str
    page: str


def clean(html: str | None) -> str:
    """Return HTML with nothing in it but plain formatting, tables and links; texts longer than 100,000 are cut."""
    return nh3.clean(
        (html or "")[:LONGEST_TEXT],
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes=_SCHEMES,
        link_rel="noopener noreferrer",
    )


def from_markdown(text: str | None) -> str:
    """Return Markdown as clean HTML; a first-level headline becomes one of the second."""
    return clean(markdown2.markdown(text[:LONGEST_TEXT], extras=_EXTRAS)) if text and text.strip() else ""


def words(html: str | None) -> str:
    """Return only the words of HTML, with single spaces between them and nothing escaped for a page."""
    text = nh3.clean(re.sub(r"<(?=[/a-zA-Z])", " <", html or ""), tags=set())
    for escaped, letter in (("&lt;", "<"), ("&gt;", ">"), ("&nbsp;", " "), ("&amp;", "&")):
        text = text.replace(escaped, letter)
    return " ".join(text.split())


def embed(url: str | None) -> Embed | None:
    """Return what an address shows inside a page; None for one of which nothing is embedded."""
    try:
        address = urlsplit((url or "").strip())
        port = address.port
    except ValueError:
        return None
    if address.scheme != "https" or port or address.username is not None:
        return None
    host = (address.hostname or "").removeprefix("www.").removeprefix("m.")
    path, query = address.path.rstrip("/"), parse_qs(address.query)
    for provider, hosts, pattern, frame in _PROVIDERS:
        if host not in hosts:
            continue
        where = f"{path}?v={query['v'][0]}" if path == "/watch" and "v" in query else path
        if found := pattern.fullmatch(where):
            return Embed(provider, frame.format(*found.groups()), address.geturl())
    return None


_PROVIDERS = (
    (
        "YouTube",
        ("youtube.com", "youtube-nocookie.com"),
        re.compile(r"/(?:watch\?v=|embed/|shorts/|live/)([\w-]{11})"),
        "https://www.youtube-nocookie.com/embed/{}",
    ),
    ("YouTube", ("youtu.be",), re.compile(r"/([\w-]{11})"), "https://www.youtube-nocookie.com/embed/{}"),
    ("Vimeo", ("vimeo.com", "player.vimeo.com"), re.compile(r"/(?:video/)?(\d{5,12})"),
     "https://player.vimeo.com/video/{}?dnt=1"),
    ("GeoGebra", ("geogebra.org",), re.compile(r"/m/(\w{6,12})"), "https://www.geogebra.org/material/iframe/id/{}"),
    ("CodePen", ("codepen.io",), re.compile(r"/([\w-]{1,40})/(?:pen|embed)/(\w{4,40})"),
     "https://codepen.io/{}/embed/{}"),
)  # fmt: skip
PROVIDERS = tuple(dict.fromkeys(provider for provider, *_ in _PROVIDERS))
