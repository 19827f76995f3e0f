"""Turn a host name that people type into the form that is stored, and refuse names that pretend to be others.

The alphabet is IDNA2008, not the 2003 one that Python brings. The bar against look-alikes is UTS 39's "highly
restrictive", with whole words of foreign look-alikes refused as well.
"""

import re
import unicodedata
from collections.abc import Sequence

from schoolctl.errors import DeclarationError
from schoolctl.schools import checks

# The scripts that UAX 31 recommends for names, as the first word of their characters' names says them. Python knows no
# scripts, but Unicode's names never change; the libraries that know scripts weigh 30 MB or are no pure Python.
_SCRIPTS = frozenset({
    "arabic", "armenian", "bengali", "bopomofo", "cyrillic", "devanagari", "ethiopic", "georgian", "greek", "gujarati",
    "gurmukhi", "han", "hangul", "hebrew", "hiragana", "kannada", "katakana", "khmer", "lao", "latin", "malayalam",
    "myanmar", "oriya", "sinhala", "tamil", "telugu", "thaana", "thai", "tibetan",
})  # fmt: skip
_SAME_SCRIPT = {
    "arabic-indic": "arabic",
    "cjk": "han",
    "extended": "arabic",  # EXTENDED ARABIC-INDIC DIGIT ...
    "ideographic": "han",
    "katakana-hiragana": "katakana",
}
# What goes with any script: digits, the hyphen, accents; in contexts that IDNA2008 checks, the Catalan dot and joiners.
_NO_SCRIPT = frozenset({"digit", "hyphen-minus", "combining", "middle", "zero"})
_LETTER_APOSTROPHES = frozenset("\u02bb\u02bc")  # Hawaiian and Ukrainian names have them

# Writing systems that are made of several scripts; Latin may stand in each.
_TOGETHER = (
    frozenset({"latin", "han", "hiragana", "katakana"}),
    frozenset({"latin", "han", "hangul"}),
    frozenset({"latin", "han", "bopomofo"}),
)

# The letters of other alphabets that a reader of Latin takes for his own, and where nobody takes them so: a word of
# nothing else is refused, except below these and below top-level names that are not in Latin letters either.
_LOOK_LATIN = {
    "armenian": (frozenset("ազհյոսցօ"), frozenset({"am"})),
    "cyrillic": (
        frozenset("асԁеһіјӏорԛѕԝхуѵ"),  # noqa: RUF001
        frozenset({"bg", "by", "kz", "mk", "mn", "rs", "ru", "su", "tj", "ua"}),
    ),
    "greek": (frozenset("αικνορυ"), frozenset({"gr", "cy"})),
}
# Signs of phonetic writing that look like a, g and a small capital; letters that languages are written with stay.
_PHONETIC = re.compile("[ɑɡ\u1d00-\u1dbf\u2c60-\u2c7f\ua720-\ua7ff\uab30-\uab6f]|[ijlı]\u0307")  # noqa: RUF001


def normalised(text: str) -> str:
    """Return a typed host name as it is stored: lower-case A-labels, no dot at its end, no space around it.

    Raises DeclarationError with the reason, and for a pasted address with the part to type.
    """
    try:
        return typed(text)
    except checks.InvalidValueError as fault:
        hint = _hint(_mapped(text.strip()))
        raise DeclarationError("Could not take the domain", because=f"{text!r} {fault}", hint=hint) from None


def typed(text: str) -> str:
    """Return what `normalised` does; raises InvalidValueError with the reason alone."""
    name = _mapped(text.strip())
    if part := re.search(r"[/:@?#]", name):
        raise checks.InvalidValueError(f"is no host name: it has a `{part[0]}`")
    return checks.domain(".".join(_a_label(label) for label in name.removesuffix(".").split(".")))


def shown(domain: str) -> str:
    """Return a stored domain for people to read: an international one with its Unicode form beside it."""
    readable = ".".join(_u_label(label) for label in domain.split("."))
    return domain if readable == domain else f"{domain} ({readable})"


def refuse_tricks(labels: Sequence[str]) -> None:
    """Raise InvalidValueError if a name's A-labels are not IDNA2008's, or if one of them looks like what it is not."""
    import idna

    readable = [_u_label(label) for label in labels]
    for label, form in zip(labels, readable, strict=True):
        if reason := _trick(form, labels[-1]):
            raise checks.InvalidValueError(f"is refused: `{label}` is `{form}`, which {reason}")
    if any(unicodedata.bidirectional(character) in {"R", "AL", "AN"} for form in readable for character in form):
        for form in readable:
            try:
                idna.check_bidi(form, check_ltr=True)
            except idna.IDNAError as fault:
                raise checks.InvalidValueError(f"mixes directions of writing: {fault}") from None


def _mapped(text: str) -> str:
    """Return text with the differences away that typing makes (RFC 5895): case, width, composition, the dot."""
    narrow = "".join(
        unicodedata.normalize("NFKC", character)
        if unicodedata.decomposition(character).startswith(("<wide>", "<narrow>"))
        else character
        for character in text
    )
    # Label by label: a Greek word ends at the dot, and with another letter than in its middle.
    labels = (label.lower() for label in narrow.replace("\u3002", ".").split("."))
    return unicodedata.normalize("NFC", ".".join(labels))


def _hint(name: str) -> str:
    if not re.search(r"[/:@?#]", name):
        return ""
    alone = re.split(r"[/:?#]", re.sub(r"^[a-z+]+://", "", name), maxsplit=1)[0].rpartition("@")[2]
    host = re.fullmatch(r"[\w-]+(\.[\w-]+)+", alone)
    return f"leave the rest out: {alone}" if host else "type the host name alone, such as school.org"


def _a_label(label: str) -> str:
    if label.isascii():
        return label
    # Here and below: few names need it, and every start would pay for it.
    import idna

    try:
        return idna.alabel(label).decode("ascii")
    except UnicodeError as fault:
        raise checks.InvalidValueError(f"is no host name by IDNA2008: {fault}") from None


def _u_label(label: str) -> str:
    if label[2:4] != "--":
        return label
    import idna

    try:
        if label.startswith("xn--"):
            return idna.ulabel(label)
    except UnicodeError as fault:
        raise checks.InvalidValueError(f"has `{label}`, which is not a valid xn-- form: {fault}") from None
    raise checks.InvalidValueError(f"has `{label}`, which is not a valid xn-- form")


def _trick(form: str, top: str) -> str:
    """Return why a label in Unicode form is taken for another one; empty when it is not."""
    if form.isascii():
        return ""
    scripts: set[str] = set()
    for character in form:
        script = _script(character)
        if script is None:
            return f"has U+{ord(character):04X}, a character of no script in everyday use"
        scripts.add(script)
    scripts.discard("")
    if len(scripts) > 1 and not any(scripts <= system for system in _TOGETHER):
        return f"mixes {' and '.join(sorted(name.title() for name in scripts))} letters"
    if found := _PHONETIC.search(form):
        return f"has U+{ord(found[0][-1]):04X} where readers see another letter"
    for script in scripts & _LOOK_LATIN.keys():
        letters, at_home = _LOOK_LATIN[script]
        own = {character for character in form if _script(character) == script}
        if own <= letters and not top.startswith("xn--") and top not in at_home:
            return f"reads like Latin letters, but is {script.title()} throughout"
    return ""


def _script(character: str) -> str | None:
    """Return a character's script, empty for one that goes with any; None for what names need not have."""
    if character in _LETTER_APOSTROPHES:
        return ""
    first, *rest = unicodedata.name(character, "?").lower().split()
    if first == "combining" and rest[0] in _SCRIPTS:
        return rest[0]
    if first in _NO_SCRIPT:
        return ""
    script = _SAME_SCRIPT.get(first, first)
    return script if script in _SCRIPTS else None
