from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from schoolctl.errors import DeclarationError
from schoolctl.schools.row_text import with_values

TEXT = """\
---
# top
schools:
  # about the first
  tech: # behind its key
    title: Tech School # behind a title
    domain: tech.example
    aliases: # over a list
      - www.tech.example # first
      # between
      - b.tech.example # second
    # over a mapping
    quota:
      file_mb: 5 # behind a limit
    state: suspended # last of its row

  # about the second
  cuisine:
    {title: Cuisine, domain: cuisine.example} # on one line
  music:
    title: >-
      Music
      School
    domain: "music.example"
    aliases:
# the end
"""


def rows(text: str = TEXT) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text)["schools"]
    # As a school's row is: without what is empty.
    return {slug: {name: value for name, value in row.items() if value is not None} for slug, row in found.items()}


def changed(slug: str, text: str = TEXT, **values: Any) -> str:
    before = rows(text)
    row = {name: value for name, value in {**before[slug], **values}.items() if value is not None}
    after = {**before, slug: row}
    result = with_values(text, {"schools": before}, {"schools": after})
    read = rows(result)
    assert read[slug] == row
    assert {name: entry for name, entry in read.items() if name != slug} == {
        name: entry for name, entry in before.items() if name != slug
    }
    return result


def difference(before: str, after: str) -> tuple[list[str], list[str]]:
    """Return the lines that went and those that came."""
    old, new = before.splitlines(), after.splitlines()
    return [line for line in old if line not in new], [line for line in new if line not in old]


@pytest.mark.parametrize(
    ("slug", "values", "gone", "come"),
    [
        ("tech", {"title": "No"}, "    title: Tech School # behind a title", '    title: "No" # behind a title'),
        ("tech", {"state": None}, "    state: suspended # last of its row", None),
        ("tech", {"quota": {"file_mb": 7}}, "      file_mb: 5 # behind a limit", "      file_mb: 7 # behind a limit"),
        ("tech", {"aliases": ["www.tech.example"]}, "      - b.tech.example # second", None),
        ("tech", {"aliases": ["b.tech.example"]}, "      - www.tech.example # first", None),
        ("tech", {"aliases": ["www.tech.example", "b.tech.example", "c.tech.example"]}, None, "      - c.tech.example"),
        ("tech", {"admin_email": "a@b.example"}, None, "    admin_email: a@b.example"),
        ("music", {"domain": "new.example"}, '    domain: "music.example"', '    domain: "new.example"'),
        ("music", {"aliases": ["a.example", "b.example"]}, "    aliases:", "    aliases: [a.example, b.example]"),
        ("music", {"state": "suspended"}, None, "    state: suspended"),
        (
            "cuisine",
            {"state": "suspended"},
            "    {title: Cuisine, domain: cuisine.example} # on one line",
            "    {title: Cuisine, domain: cuisine.example, state: suspended} # on one line",
        ),
    ],
)
def test_one_change_touches_one_line(slug: str, values: dict[str, Any], gone: str | None, come: str | None) -> None:
    went, came = difference(TEXT, changed(slug, **values))
    assert went == ([gone] if gone else [])
    assert came == ([come] if come else [])


def test_what_is_added_stands_before_the_comment_of_the_next_school() -> None:
    text = changed("tech", config={"monitor": True})
    assert "# last of its row\n    config:\n      monitor: true\n\n  # about the second\n" in text


def test_a_line_goes_where_its_entry_goes_with_its_comment() -> None:
    text = changed("tech", aliases=["b.tech.example", "new.example", "www.tech.example"])
    assert "- b.tech.example # second\n      - new.example\n      - www.tech.example # first\n" in text
    assert "# between" in text


def test_a_text_over_several_lines_is_replaced_as_a_whole() -> None:
    assert "    title: Other\n    domain:" in changed("music", title="Other")


@pytest.mark.parametrize(
    "text", ["", "---\n", "schools:\n", "schools: {}\n", "# only words\n", "schools:   # none yet"]
)
def test_the_first_row_finds_its_place(text: str) -> None:
    row = {"title": "Tech", "domain": "tech.example", "aliases": ["no", "a.example"]}
    written = with_values(text, {"schools": {}}, {"schools": {"tech": row}})
    assert yaml.safe_load(written) == {"schools": {"tech": row}}
    assert all(line in written for line in text.splitlines() if "#" in line)


def test_windows_line_ends_stay_as_they_are() -> None:
    text = changed("tech", TEXT.replace("\n", "\r\n"), state=None, admin_email="a@b.example")
    assert text.count("\n") == text.count("\r\n") == TEXT.count("\n")


def test_a_value_that_stands_elsewhere_is_left_to_a_person() -> None:
    text = "schools:\n  a: {title: &t One, domain: a.example}\n  b:\n    title: *t\n    domain: b.example\n"
    before = yaml.safe_load(text)
    after = {"schools": {**before["schools"], "b": {"title": "Two", "domain": "b.example"}}}
    with pytest.raises(DeclarationError, match="title stands for a value elsewhere"):
        with_values(text, before, after)


NAMES = st.sampled_from(["www.tech.example", "b.tech.example", "c.example", "d.example", "no"])
TITLES = ["Tech School", "a: b # c", "yes", "École, l'été", "12:30", "- x", "{a}", "[", "é" * 60]
LIMITS = st.dictionaries(st.sampled_from(["file_mb", "cpu_seconds"]), st.integers(1, 9), min_size=1)
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "title": st.sampled_from(
            ["Tech School", "a: b # c", "yes", "École, l'été", "12:30", "- x", "{a}", "[", "é" * 60]
        ),
        "aliases": st.lists(NAMES, unique=True, min_size=1) | st.none(),
        "state": st.sampled_from(["suspended", "closed", None]),
        "quota": st.dictionaries(st.sampled_from(["file_mb", "cpu_seconds"]), st.integers(1, 9), min_size=1)
        | st.none(),
        "locale": st.just({"country": "Norway", "language": "no"}),
    },
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["tech", "cuisine", "music"]), VALUES), max_size=4))
def test_whatever_is_changed_the_rest_is_read_as_before_and_no_comment_line_is_lost(
    steps: list[tuple[str, dict[str, Any]]],
) -> None:
    text = TEXT
    for slug, values in steps:
        text = changed(slug, text, **values)
    for words in ("# top", "# about the first", "# behind its key", "# about the second", "# on one line", "# the end"):
        assert words in text
    assert list(yaml.safe_load(text)["schools"]) == ["tech", "cuisine", "music"]
