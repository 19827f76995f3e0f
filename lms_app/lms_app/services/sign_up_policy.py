"""Who may make an account for themselves, and what is taken for an address, a name and a way to go on.

Pure: nothing here needs a site.
"""

import re
import unicodedata

# As Academy Settings says it; each lets in whom the ones before do.
NOBODY, INVITED, ANYBODY = "Nobody", "Invited", "Anybody"

# Reasons why not.
CLOSED, BY_INVITATION, OTHER_DOMAIN = "sign_up_closed", "sign_up_by_invitation", "other_domain"
BAD_ADDRESS, BAD_NAME = "bad_address", "bad_name"

LONGEST_ADDRESS = LONGEST_NAME = 140
LONGEST_TARGET = 500
HOME = "/learn"

# No more than Frappe takes for one when it writes to it: a user whom no mail reaches never proves the address.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_DOMAIN = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z][A-Za-z0-9-]*[A-Za-z0-9]")
_ADDRESS = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@{_DOMAIN.pattern}")
_TARGET = re.compile(r"/(?:learn|i)(?:/(?!\.)[\w%.~-]+)*/?")


def shut(policy: str, *, is_invited: bool) -> str:
    """Return why nobody can make an account here: a reason, or nothing. is_invited: by a link that serves."""
    if policy == ANYBODY or (policy == INVITED and is_invited):
        return ""
    return BY_INVITATION if policy == INVITED else CLOSED


def obstacle(email: str, name: str, allowed: list[str], *, is_invited: bool) -> str:
    """Return why this address and this name make no account: a reason, or nothing.

    allowed: domains that alone are let in, if there are any; who is invited may come from everywhere.
    """
    if not is_address(email):
        return BAD_ADDRESS
    if not 0 < len(name) <= LONGEST_NAME or {"<", ">"} & {*name} or not any(letter.isalpha() for letter in name):
        return BAD_NAME
    is_foreign = bool(allowed) and email.rpartition("@")[2].casefold() not in allowed
    return OTHER_DOMAIN if is_foreign and not is_invited else ""


def is_address(text: str) -> bool:
    """Say whether this is one e-mail address, and nothing else."""
    return len(text) <= LONGEST_ADDRESS and bool(_ADDRESS.fullmatch(text))


def domains(text: str | None) -> list[str]:
    """Return the domains that a setting lists, each once, however they are parted: `school.org, @art.school.org`."""
    found = (part.removeprefix("@").casefold() for part in re.split(r"[\s,;]+", text or ""))
    return list(dict.fromkeys(part for part in found if part))


def no_domain(text: str | None) -> str:
    """Return the first of the listed domains that is none; nothing if all are."""
    return next((part for part in domains(text) if not _DOMAIN.fullmatch(part)), "")


def plain(text: str | None) -> str:
    """Return what somebody wrote into a line, without what cannot be seen."""
    words = " ".join((text or "").split())
    return "".join(letter for letter in words if unicodedata.category(letter) not in {"Cc", "Cf"}).strip()


def target(text: str | None) -> str:
    """Return where to go on, if it is a page for pupils of this school; the courses else."""
    is_ours = len(text or "") <= LONGEST_TARGET and _TARGET.fullmatch(text or "")
    return text or HOME if is_ours else HOME
