"""What a school's company is called, and which chart of accounts it begins with.

Pure: nothing here needs a site.
"""

import re
from collections.abc import Collection, Iterable
from itertools import count

STANDARD = "Standard"

# Names of the documents that ERPNext makes for a company, such as its cost centre, hold its name and its abbreviation,
# and may have 140 characters.
LONGEST_NAME = 120
LONGEST_ABBREVIATION = 5

# A country with charts for only some of those who live there: the language that they are written in.
WRITTEN_FOR = {"ca": "fr", "ch": "de"}
# ERPNext finds charts by the beginning of their files' names, and so hands Syria (sy) those of the SYSCOHADA states.
MISTAKEN = {"sy"}
# How a chart's name says that its accounts bear numbers, which accountants, and some tax offices, ask for.
NUMBERED = re.compile(r"avec code|mit Kontonummern|med Nummer|with account number", re.IGNORECASE)


def name(title: str) -> str:
    """Return what a company can be called: the school's title, short enough and without what Frappe refuses."""
    return re.sub(r"[<>]", "", title).strip()[:LONGEST_NAME].strip()


def abbreviation(title: str, taken: Collection[str] = ()) -> str:
    """Return the letters that tell a company's accounts from another's: TS for Tech School, then TS2 if TS is taken."""
    words = ["".join(filter(str.isalnum, word)) for word in title.split()]
    words = [word for word in words if word]
    letters = "".join(word[0] for word in words) if len(words) > 1 else "".join(words)[:3]
    letters = letters.upper()[:LONGEST_ABBREVIATION] or "S"
    used = {other.casefold() for other in taken}
    candidates = (f"{letters}{number}" if number > 1 else letters for number in count(1))
    return next(candidate for candidate in candidates if candidate.casefold() not in used)


def chart(country_code: str, language: str, offered: Iterable[str]) -> str:
    """Return the chart of accounts to begin with, of those that ERPNext offers for a country; always the same one.

    country_code: ISO 3166, two small letters. language: an ISO code such as `fr` or `pt-BR`.
    """
    own = sorted(candidate for candidate in offered if not candidate.startswith(STANDARD))
    foreign = WRITTEN_FOR.get(country_code, language[:2]) != language[:2]
    if not own or foreign or country_code in MISTAKEN:
        return STANDARD
    return next(filter(NUMBERED.search, own), own[0])
