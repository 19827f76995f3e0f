"""A school's head, as far as their address tells, and under the names that Frappe makes of it.

Pure: nothing here needs a site.
"""

import re
from dataclasses import dataclass

# An address of which Frappe makes names without surprises: letters that it neither escapes nor writes in two ways.
_PLAIN = re.compile(r"[A-Za-z0-9]+(?:[._+-][A-Za-z0-9]+)*@[A-Za-z0-9.-]+")


@dataclass(frozen=True)
class Head:
    """Who gets the first user of a school.

    address: as it was given. full_name: first name, then the rest if there is any.
    """

    address: str
    full_name: str

    @classmethod
    def of(cls, address: str) -> "Head":
        """Return a head with a name to begin with: Marie Dupont for marie.dupont@example.com."""
        words = re.split(r"[._+-]+", address.partition("@")[0])
        return cls(address, " ".join(word.capitalize() for word in words if word) or address)

    @property
    def is_plain(self) -> bool:
        """Say whether Frappe writes this head's words as they are here."""
        return bool(_PLAIN.fullmatch(self.address))

    @property
    def words(self) -> dict[str, str]:
        """Every text in the rows of a head's user and contact, by what it is; what holds others comes before them."""
        first_name, _, last_name = self.full_name.partition(" ")
        return {
            "address": self.address.strip().lower(),
            "full_name": self.full_name,
            "first_name": first_name,
            "last_name": last_name,
            "username": first_name.lower(),
        }
