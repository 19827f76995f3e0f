"""Words with gaps that are filled in: `{pupil}` and the like, and nothing else that braces may hold.

Pure: nothing here needs a site. No template language is involved, so that what somebody wrote can do nothing.
"""

import re
from collections.abc import Mapping

NAMES = ("pupil", "course", "date", "expires", "school", "code")
ALL = tuple(f"{{{name}}}" for name in NAMES)

_GAP = re.compile(r"\{(" + "|".join(NAMES) + r")\}")
# What somebody took for one of them.
_WORD = re.compile(r"\{\s*\w+\s*\}")


def fill(text: str, values: Mapping[str, str]) -> str:
    """Return a text with every gap filled in, in one pass: what is put in is never looked at again."""
    return _GAP.sub(lambda gap: values[gap[1]], text)


def unknown(text: str) -> list[str]:
    """Return what looks like a gap and is none, as it is written."""
    return [found for found in dict.fromkeys(_WORD.findall(text)) if found not in ALL]
