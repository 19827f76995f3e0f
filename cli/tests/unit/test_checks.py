import re
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schoolctl.schools import checks
from schoolctl.schools.checks import InvalidValueError

SHELL = [
    "$(id)", "`id`", "a;id", "a|id", "a&&id", "a>b", "a\nb", "a b", "a'b", 'a"b', "a\\b", "-rf", "--all", "~root", "*",
]  # fmt: skip
SQL = ["a'; DROP DATABASE x; --", "a`b", "a%", "a_b", "a/*b*/"]
PATHS = ["../etc", "a/../b", "/etc/passwd", ".", "..", ".hidden", "a/b", "a\0b"]
JINJA = ["{{ 7*7 }}", "{% raw %}", "{# x #}"]
UNICODE = [  # look-alikes of plain letters, and characters that cannot be seen
    "t\u0435\u0441h", "\uff54\uff45\uff43\uff48", "tech\u200b", "te\u202ech", "\ufb01rst", "tech\u0301",
    "\u0130stanbul", "stra\u00dfe", "\ufefftech",
]  # fmt: skip
HOSTILE = [*SHELL, *SQL, *PATHS, *JINJA, *UNICODE, ""]


@pytest.mark.parametrize("value", [*HOSTILE, "a", "A-b", "Tech", "1tech", "tech-", "a" * 31, "tech.school", "tech\n"])
def test_no_hostile_slug_passes(value: str) -> None:
    with pytest.raises(InvalidValueError):
        checks.slug(value)


@pytest.mark.parametrize("value", [None, True, False, 7, 1.0, ["a"]])
def test_what_is_no_text_is_no_slug_domain_title_or_address(value: object) -> None:
    for check in (checks.slug, checks.domain, checks.title, checks.email):
        with pytest.raises(InvalidValueError):
            check(value)


@pytest.mark.parametrize("value", sorted(checks.RESERVED_SLUGS))
def test_a_name_that_the_bench_uses_is_reserved(value: str) -> None:
    with pytest.raises(InvalidValueError, match="reserved"):
        checks.slug(value)


@given(st.text(alphabet=string.ascii_lowercase + string.digits + "-", min_size=1, max_size=35) | st.text(max_size=35))
def test_whatever_passes_as_a_slug_is_one_plain_folder_name(value: str) -> None:
    try:
        checks.slug(value)
    except InvalidValueError:
        return
    assert re.fullmatch(r"[a-z][a-z0-9-]*[a-z0-9]", value)
    assert 2 <= len(value) <= 30


@pytest.mark.parametrize(
    "value",
    [
        *HOSTILE, "localhost", "tech-school", "Tech-School.com", "tech-school.com.", ".tech.com", "a..b", "-a.com",
        "a-.com", "a_b.com", "*.tech.com", "192.0.2.1", "[::1]", "tech.com:8080", "http://tech.com", "tech.com/x",
        "école.fr",
        "tech.com;", "tech.com; include /etc/passwd", "tech.com\n", "~^.*$", "_", "$host.com", f"{'a' * 64}.com",
        f"{'a.' * 130}com", "xn--.com", "xn--zz-.com", "ab--cd.com", "xn--\u00e9.com", "tech\u3002com", "tech\uff0ecom",
    ],
)  # fmt: skip
def test_no_hostile_domain_passes(value: str) -> None:
    with pytest.raises(InvalidValueError):
        checks.domain(value)


@pytest.mark.parametrize("value", ["a.b", "tech-school.com", "xn--cole-9oa.fr", "1.2.3.example", "a" * 63 + ".org"])
def test_a_host_name_passes_unchanged(value: str) -> None:
    assert checks.domain(value) == value


labels = st.text(alphabet=string.ascii_lowercase + string.digits + "-_A.;{}$ \n", min_size=1, max_size=70)


@given(st.lists(labels, min_size=1, max_size=5).map(".".join) | st.text(max_size=80))
@example("tech.com}\nserver{")
def test_whatever_passes_as_a_domain_is_safe_in_a_server_name_and_a_map(value: str) -> None:
    try:
        assert checks.domain(value) == value
    except InvalidValueError:
        return
    assert set(value) <= set(string.ascii_lowercase + string.digits + "-.")
    assert len(value) <= 253
    assert all(1 <= len(label) <= 63 and label.strip("-") == label for label in value.split("."))
    assert "." in value


@pytest.mark.parametrize(
    "value", [*JINJA, "", "   ", "a" * 141, "two\nlines", "bell\x07", "zero\u200bwidth", "left\u202eright"]
)
def test_no_hostile_title_passes(value: str) -> None:
    with pytest.raises(InvalidValueError):
        checks.title(value)


@pytest.mark.parametrize("value", ["L'école d'été", "<b>Bold</b>", "Robert'); DROP TABLE x;--", "学校", "$(id)", "No"])
def test_any_title_on_one_line_is_a_title(value: str) -> None:
    assert checks.title(value) == value


@given(st.text(max_size=150))
def test_whatever_passes_as_a_title_is_one_visible_line_and_passes_again(value: str) -> None:
    try:
        checked = checks.title(value)
    except InvalidValueError:
        return
    assert len(checked.splitlines()) == 1
    assert "{{" not in checked
    assert checks.title(checked) == checked


@pytest.mark.parametrize(
    "value",
    [
        "",
        "a",
        "a@b",
        "a@b@c.org",
        "a b@c.org",
        "a@c.org\nBcc: x@y.org",
        "<a@c.org>",
        "é@c.org",
        "a@-c.org",
        "a" * 140 + "@c.org",
    ],
)
def test_no_hostile_address_passes(value: str) -> None:
    with pytest.raises(InvalidValueError):
        checks.email(value)


def test_an_unknown_key_names_the_nearest_known_one() -> None:
    with pytest.raises(Exception, match="did you mean `domain`") as raised:
        checks.known_keys("schools.yml: schools.a", {"domian": 1}, ["domain", "title"])
    assert "schools.yml: schools.a.domian: unknown key" in str(raised.value)
