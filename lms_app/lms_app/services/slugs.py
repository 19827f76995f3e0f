"""Slugs: the readable ends of addresses, made from titles.

Pure: nothing here needs a site.
"""

import re
import unicodedata
from collections.abc import Container

LONGEST = 80
# Where there is nothing in a title that an address could show.
NAMELESS = "untitled"

# Letters that decompose into nothing.
_LATIN = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ł": "l", "\u0131": "i"}
)
_BETWEEN = re.compile(r"[^\w]+|_+")


def slug_of(title: str) -> str:
    """Return a title as lower-case words with hyphens, at most 80 characters; Latin letters without their accents.

    Letters of other scripts stay: every browser shows them.
    """
    folded = title
    # Twice, because letters like a double-struck S become capitals only when they are taken apart.
    for _ in range(2):
        folded = unicodedata.normalize("NFKD", folded).casefold().translate(_LATIN)
    plain = "".join(letter for letter in folded if not (unicodedata.combining(letter) and letter < "\u0370"))
    words = [word for word in _BETWEEN.split(unicodedata.normalize("NFC", plain)) if word]
    slug = ""
    for word in words:
        longer = f"{slug}-{word}" if slug else word[:LONGEST]
        if len(longer) > LONGEST:
            break
        slug = longer
    return slug or NAMELESS


def free(wanted: str, taken: Container[str]) -> str:
    """Return the slug, with the first number from 2 on that makes it nobody else's if it is taken."""
    slug, number = wanted, 2
    while slug in taken:
        end = f"-{number}"
        slug = wanted[: LONGEST - len(end)].rstrip("-") + end
        number += 1
    return slug
