"""Which fiscal year a day falls in, by the customs of a country.

Pure: nothing here needs a site.
"""

from datetime import date, timedelta

JANUARY = (1, 1)

# Where books usually begin on another day than the first of January: (month, day), by Frappe's name of the country.
# Countries that reckon by a calendar of their own begin on the day that it falls on in most years. Costa Rica's year is
# the calendar's since 2020; Malaysia's companies choose theirs, and the calendar's goes without saying.
BEGINNINGS = {
    "Australia": (7, 1),
    "Bangladesh": (7, 1),
    "Botswana": (7, 1),
    "Egypt": (7, 1),
    "Ethiopia": (7, 8),
    "Hong Kong": (4, 1),
    "India": (4, 1),
    "Iran": (3, 21),
    "Japan": (4, 1),
    "Kenya": (7, 1),
    "Lesotho": (4, 1),
    "Mauritius": (7, 1),
    "Myanmar": (4, 1),
    "Nepal": (7, 16),
    "New Zealand": (4, 1),
    "Pakistan": (7, 1),
    "Singapore": (4, 1),
    "South Africa": (3, 1),
    "Sri Lanka": (4, 1),
    "Swaziland": (7, 1),
    "Thailand": (10, 1),
    "Uganda": (7, 1),
    "United Kingdom": (4, 1),
}


def containing(day: date, country: str) -> tuple[date, date]:
    """Return the first and the last day of the country's fiscal year that contains the day."""
    month, first = BEGINNINGS.get(country, JANUARY)
    begins = date(day.year, month, first)
    if begins > day:
        begins = begins.replace(year=day.year - 1)
    return begins, begins.replace(year=begins.year + 1) - timedelta(days=1)
