# ruff: noqa: RUF001 - letters that look like others are what this is about
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from idna import idnadata

from schoolctl.errors import DeclarationError
from schoolctl.schools import checks, domains
from schoolctl.schools.checks import InvalidValueError
from schoolctl.schools.model import Schools


def a_label(text: str) -> str:
    """A name as the network would carry it, whether it may be or not."""
    return ".".join(
        label if label.isascii() else "xn--" + label.encode("punycode").decode() for label in text.split(".")
    )


def refusal(typed: str) -> DeclarationError:
    with pytest.raises(DeclarationError) as raised:
        domains.normalised(typed)
    return raised.value


# --- typed, stored, shown ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("tech-school.com", "tech-school.com"),
        ("  Tech-School.COM. \n", "tech-school.com"),
        ("École.fr", "xn--cole-9oa.fr"),
        ("E\u0301cole.fr", "xn--cole-9oa.fr"),
        ("XN--COLE-9OA.fr", "xn--cole-9oa.fr"),
        ("straße.de", "xn--strae-oqa.de"),  # its own name since 2008; the 2003 alphabet made it strasse.de
        ("ΟΔΟΣ.gr", "xn--pxavbm.gr"),
        ("ｔｅｃｈ．ｃｏｍ", "tech.com"),
        ("学校。jp", "xn--48s290a.jp"),
        ("мой-сад.рф", "xn----8sbmromx.xn--p1ai"),
        ("col·legi.cat", "xn--collegi-xma.cat"),
    ],
)
def test_what_people_type_becomes_the_one_form_that_is_stored(typed: str, stored: str) -> None:
    assert domains.normalised(typed) == stored
    assert checks.domain(stored) == stored


@settings(deadline=None)
@given(st.text(max_size=40) | st.from_regex(r"[a-zéшא学0-9.-]{1,30}\.(com|рф)", fullmatch=True))
def test_whatever_is_taken_is_a_domain_already_and_is_shown_as_it_is_read(typed: str) -> None:
    try:
        stored = domains.normalised(typed)
    except DeclarationError:
        return
    assert checks.domain(stored) == stored
    assert domains.normalised(stored) == stored
    readable = domains.shown(stored).removeprefix(stored).strip(" ()")
    assert domains.normalised(readable or stored) == stored


def test_an_international_name_is_shown_with_both_forms() -> None:
    assert domains.shown("www.xn--cole-9oa.fr") == "www.xn--cole-9oa.fr (www.école.fr)"
    assert domains.shown("tech-school.com") == "tech-school.com"


@pytest.mark.parametrize(
    "typed",
    ["https://Tech.org/", "http://tech.org:8080/learn?a=1#b", "tech.org/", "tech.org:443", "https://head@tech.org"],
)
def test_a_pasted_address_is_refused_with_the_part_to_type(typed: str) -> None:
    assert refusal(typed).hint == "leave the rest out: tech.org"


@pytest.mark.parametrize("typed", ["https://", "a:b", "http://\x1b[2Jtech.org/"])
def test_an_address_without_a_plain_host_name_gets_an_example_instead(typed: str) -> None:
    assert refusal(typed).hint == "type the host name alone, such as school.org"


def test_a_refusal_never_writes_control_characters_to_a_terminal() -> None:
    fault = refusal("te\x1b[2Jch.org")
    assert "\x1b" not in fault.because + fault.hint


# --- IDNA2008 ----------------------------------------------------------------------------------------------------

NOT_IDNA2008 = [
    "☃.net", "a\u200bé.com", "te\u202eéhc.com", "\u0301a.com", "l·e.com", "é\u200da.com", "é_a.com", "é;a.com",
    "-é.com", "é-.com", f"{'é' * 60}.com", "\udce9.com", "١a٢.com",
]  # fmt: skip


@pytest.mark.parametrize("name", NOT_IDNA2008)
def test_what_idna2008_does_not_have_is_refused_as_typed(name: str) -> None:
    assert refusal(name)


@pytest.mark.parametrize("name", ["☃.net", "a\u200bé.com", "l·e.com", "É.com", "ﬁé.com", "é\u0301\u0323.com"])
def test_what_idna2008_does_not_have_is_refused_in_its_xn_form_too(name: str) -> None:
    with pytest.raises(InvalidValueError, match="is not a valid xn-- form"):
        checks.domain(a_label(name))


@pytest.mark.parametrize("name", ["xn--a.com", "xn---bbk.com", "ab--cd.com"])
def test_a_label_that_only_pretends_to_be_encoded_is_refused(name: str) -> None:
    with pytest.raises(InvalidValueError, match="is not a valid xn-- form"):
        checks.domain(name)


def test_a_right_to_left_name_must_read_the_same_way_throughout() -> None:
    assert domains.normalised("www.בית.com")
    assert "mixes directions" in refusal("123.בית.com").because


# --- names that pretend to be others -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("pаypal.com", "mixes Cyrillic and Latin"),
        ("teсh-school.com", "mixes Cyrillic and Latin"),
        ("αpple.com", "mixes Greek and Latin"),
        ("ծabc.com", "mixes Armenian and Latin"),
        ("학の.com", "mixes Hangul and Hiragana"),
        ("ㄅの.com", "mixes Bopomofo and Hiragana"),
        ("ɡoogle.com", "U+0261"),
        ("bɑnk.com", "U+0251"),
        ("ᴛech.com", "U+1D1B"),
        ("i\u0307stanbul.com", "U+0307"),
        ("аррӏе.com", "is Cyrillic throughout"),
        ("ссс-1.com", "is Cyrillic throughout"),
        ("ουρανου.com", "is Greek throughout"),
        ("սոս.com", "is Armenian throughout"),
        ("www.аррӏе.example", "is Cyrillic throughout"),
        ("ꓐꓑ.com", "of no script in everyday use"),
        ("ᚠᚢ.com", "of no script in everyday use"),
        ("aʹb.com", "of no script in everyday use"),
    ],
)
def test_a_name_that_reads_like_another_is_refused_typed_and_stored(name: str, reason: str) -> None:
    assert reason in refusal(name).because
    with pytest.raises(InvalidValueError) as raised:
        checks.domain(a_label(name))
    assert reason in str(raised.value)


@pytest.mark.parametrize(
    "name",
    [
        "école.fr", "köln-schule.de", "ıstanbul.com.tr", "ŋutɔ.org", "школа.com", "школа7.com", "роса.bg",
        "роса.рф", "σχολείο.com", "ουρανου.gr", "դպրոց.com", "סוס.am", "学校.jp", "東京abcのテスト.jp", "ラーメン.com",
        "학교.kr", "k학校.kr", "學校ㄅ.tw", "مدرسة.com", "مدرسه\u200cها.ir", "नमस्ते.in", "โรงเรียน.th", "ტექნიკა.ge",
        "hawaiʻi.org", "мʼята.укр", "mixed.школа.com",
    ],
)  # fmt: skip
def test_a_name_in_one_writing_system_passes(name: str) -> None:
    assert checks.domain(domains.normalised(name)) == a_label(name)


def valid_characters(script: str) -> list[str]:
    """The characters that IDNA2008 gives a script and always allows, of those that this Python knows."""
    allowed = {code for span in idnadata.codepoint_classes["PVALID"] for code in range(span >> 32, span & 0xFFFFFFFF)}
    spans = [range(span >> 32, span & 0xFFFFFFFF) for span in idnadata.scripts[script]]
    return [chr(code) for span in spans for code in span if code in allowed and unicodedata.name(chr(code), "")]


@settings(deadline=None)
@given(st.sampled_from(valid_characters("Greek") + valid_characters("Hebrew")))
def test_the_script_of_no_greek_or_hebrew_character_is_missed(character: str) -> None:
    assert refusal(f"школа{character}.com")
    assert refusal(f"tech{character}.com")


@settings(deadline=None)
@given(st.sampled_from([found for name in ("Han", "Hiragana", "Katakana") for found in valid_characters(name)]))
def test_the_script_of_no_chinese_or_japanese_character_is_missed(character: str) -> None:
    assert refusal(f"школа{character}.com")
    # Old forms of kana are nobody's everyday script.
    if not unicodedata.name(character).startswith(("HENTAIGANA", "OLD", "VIETNAMESE")):
        assert domains.normalised(f"tech{character}.com").startswith("xn--")


# --- reserved names ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "tech.localhost", "tech.local", "www.tech.local", "tech.internal", "tech.onion", "tech.arpa", "tech.home.arpa",
        "1.0.0.127.in-addr.arpa", "tech.invalid", "tech.alt",
    ],
)  # fmt: skip
def test_a_name_that_never_leads_visitors_to_a_server_is_reserved(name: str) -> None:
    with pytest.raises(InvalidValueError, match="is reserved"):
        checks.domain(name)


@pytest.mark.parametrize("name", ["tech.example", "example.org", "tech.test", "local.org", "internal.tech.com"])
def test_names_to_try_things_with_and_names_that_only_contain_a_reserved_word_pass(name: str) -> None:
    assert checks.domain(name) == name


def test_mail_may_go_to_a_network_of_ones_own() -> None:
    assert checks.email("head@school.local") == "head@school.local"


# --- one name, one school ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["École.fr", "e\u0301cole.fr.", "XN--cole-9oa.FR"])
@pytest.mark.parametrize("place", ["domain", "aliases"])
def test_no_other_way_of_typing_a_name_gives_it_to_a_second_school(typed: str, place: str) -> None:
    rows = {
        "first": {"title": "First", "domain": "first.example", "aliases": ["xn--cole-9oa.fr"]},
        "second": {"title": "Second", "domain": "second.example"},
    }
    Schools(rows)
    name = domains.normalised(typed)
    rows["second"][place] = name if place == "domain" else [name]
    with pytest.raises(DeclarationError, match=r"`xn--cole-9oa.fr` is already school `first`'s"):
        Schools(rows)
