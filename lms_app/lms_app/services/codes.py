"""Codes of certificates: 80 random bits that can be read aloud, in Crockford's base 32.

Pure: nothing here needs a site.
"""

import re
import secrets
import unicodedata

# Neither I, L nor O, which look like digits, nor U, with which letters make words.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
BITS = 80
SIGNS = BITS // 5
GROUP = 4

_MISTAKEN = str.maketrans("OIL", "011")
# What people write between the groups, or what a copied line brings along.
_BETWEEN = re.compile(r"[\s\-_.\u2010-\u2015\u2212\u200b-\u200f]+")


def draw() -> str:
    """Return a new code, such as `7K3M-Q0ZX-9T4H-2WNB`; no two are ever the same, and none can be guessed."""
    return write(secrets.randbits(BITS))


def write(number: int) -> str:
    """Return a number of at most 80 bits as a code in groups of four."""
    signs = "".join(ALPHABET[number >> shift & 31] for shift in range(BITS - 5, -1, -5))
    return "-".join(signs[start : start + GROUP] for start in range(0, SIGNS, GROUP))


def read(text: str) -> str | None:
    """Return the code that somebody meant, as it was drawn; None for what is none.

    Small letters, other hyphens and none at all, and letters that look like digits are all understood.
    """
    plain = _BETWEEN.sub("", unicodedata.normalize("NFKC", text)).upper().translate(_MISTAKEN)
    if len(plain) != SIGNS or any(sign not in ALPHABET for sign in plain):
        return None
    return write(sum(ALPHABET.index(sign) << 5 * place for place, sign in enumerate(reversed(plain))))
