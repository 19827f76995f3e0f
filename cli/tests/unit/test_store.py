import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from schoolctl.errors import DeclarationError
from schoolctl.schools import checks, store
from schoolctl.schools.model import Locale, Quota, School, Staging

TEXT = """\
---
# What the principal said: never rename these.
schools:
  tech-school: # the first
    title: "Tech School"   # in quotes on purpose
    domain: tech-school.com
    aliases: [www.tech-school.com]  # old name

  cuisine-school:
    title: Cuisine School
    domain: cuisine-school.com
# the end
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "schools.yml"
    path.write_text(TEXT)
    path.chmod(0o640)
    return path


def fault(path: Path, text: str) -> str:
    path.write_text(text)
    with pytest.raises(DeclarationError) as raised:
        store.load(path)
    return raised.value.because


def row(body: str) -> str:
    return f"schools:\n  tech-school:\n    title: Tech\n    domain: tech.example\n{body}"


# --- reading -----------------------------------------------------------------------------------------------------


def test_the_schools_are_read_in_the_order_of_the_file(file: Path) -> None:
    schools = store.load(file)
    assert list(schools) == ["tech-school", "cuisine-school"]
    assert schools["tech-school"].hosts == ("tech-school.com", "www.tech-school.com")


@pytest.mark.parametrize("text", ["", "---\n", "schools:\n", "schools: {}\n"])
def test_a_file_without_schools_is_no_fault(file: Path, text: str) -> None:
    file.write_text(text)
    assert len(store.load(file)) == 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("schools: [a]\n", "schools: must be a mapping"),
        ("- a\n", "must be a mapping"),
        ("schools: {\n", "not valid YAML"),
        ("schools: !!python/object/apply:os.system [id]\n", "not valid YAML"),
        ("schools: {}\nother: 1\n", "other: unknown key, only `schools`"),
        (row("    domian: x\n"), "schools.tech-school.domian: unknown key, did you mean `domain`?"),
        (row("    1: x\n"), "schools.tech-school.1: a key must be text"),
        (row("    title: Twice\n"), "the key `title` stands twice"),
        (row("") + "  tech-school:\n    title: B\n    domain: b.example\n", "the key `tech-school` stands twice"),
        ("schools:\n  no:\n    title: A\n    domain: a.example\n", "schools.False"),
        ("schools:\n  1.0:\n    title: A\n    domain: a.example\n", "schools.1.0"),
        ("schools:\n  tech-school:\n", "must be a mapping with at least title and domain"),
        ("schools:\n  tech-school:\n    title: A\n", "tech-school.domain: is missing"),
        ("schools:\n  tech-school:\n    domain: a.example\n", "tech-school.title: is missing"),
        ("schools:\n  tech-school:\n    title: no\n    domain: a.example\n", "YAML reads it as bool"),
        ("schools:\n  tech-school:\n    title: 1.0\n    domain: a.example\n", "YAML reads it as float"),
        ("schools:\n  tech-school:\n    title: 2026-01-31\n    domain: a.example\n", "YAML reads it as date"),
        (row("    aliases: www.tech.example\n"), "tech-school.aliases: must be a list"),
        (row("    aliases: [www.tech.example, no]\n"), "tech-school.aliases[1]"),
        (row("    aliases: [tech.example]\n"), "`tech.example` is already its own"),
        (row("    admin_email: nobody\n"), "tech-school.admin_email"),
        (row("    title2: '{{ lookup(\"pipe\", \"id\") }}'\n"), "title2: unknown key"),
        (row("") + "  b2:\n    title: B\n    domain: b.example\n    aliases: [tech.example]\n", "is already school"),
    ],
)  # fmt: skip
def test_a_wrong_row_is_refused_with_its_place(file: Path, text: str, reason: str) -> None:
    assert reason in fault(file, text)


def test_a_file_that_is_not_there_or_not_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="does not exist"):
        store.load(tmp_path / "schools.yml")
    (tmp_path / "schools.yml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DeclarationError, match=r"schools\.yml"):
        store.load(tmp_path / "schools.yml")


def test_an_unknown_slug_lists_the_known_ones(file: Path) -> None:
    with pytest.raises(DeclarationError, match="tech-school, cuisine-school"):
        store.load(file).named("tech")


# --- writing -----------------------------------------------------------------------------------------------------


def test_a_new_row_changes_no_other_byte(file: Path) -> None:
    store.put(file, School("music", "Music School", "music.example", ("www.music.example",), "a@music.example"))
    new = [
        "  music:",
        "    title: Music School",
        "    domain: music.example",
        "    aliases:",
        "      - www.music.example",
        "    admin_email: a@music.example",
    ]
    lines = file.read_text().splitlines()
    assert [line for line in lines if line not in new] == TEXT.splitlines()
    assert [line for line in lines if line in new] == new
    assert file.stat().st_mode & 0o777 == 0o640


def with_aliases(file: Path, slug: str, *aliases: str) -> None:
    store.put(file, replace(store.load(file)[slug], aliases=aliases))


def test_an_alias_comes_and_goes_without_a_trace(file: Path) -> None:
    with_aliases(file, "tech-school", "www.tech-school.com", "learn.example")
    assert "aliases: [www.tech-school.com, learn.example]" in file.read_text()
    assert "# old name" in file.read_text()
    with_aliases(file, "tech-school", "www.tech-school.com")
    # A comment may stand further to the right afterwards.
    assert file.read_text().split() == TEXT.split()


def test_the_first_alias_comes_and_goes_too(file: Path) -> None:
    with_aliases(file, "cuisine-school", "learn.example")
    assert store.load(file)["cuisine-school"].aliases == ("learn.example",)
    with_aliases(file, "cuisine-school")
    assert store.load(file)["cuisine-school"].aliases == ()
    assert file.read_text() == TEXT


def test_the_order_of_aliases_is_kept_as_it_is_asked_for(file: Path) -> None:
    with_aliases(file, "tech-school", "first.example", "www.tech-school.com", "last.example")
    assert store.load(file)["tech-school"].aliases == ("first.example", "www.tech-school.com", "last.example")


def test_a_row_that_is_written_as_it_is_changes_nothing(file: Path) -> None:
    store.put(file, *store.load(file).values())
    assert file.read_text() == TEXT


FULL = School(
    "music",
    "Music School",
    "music.example",
    locale=Locale("Norway", "no", "Europe/Oslo", "NOK"),
    state="closed",
    keep_until="2027-01-31",
    reopen_as="suspended",
    quota=Quota(cpu_seconds=3600, connections=9),
    config={"http_timeout": 60, "mute_emails": True, "allow_cors": "https://yes.example"},
    staging=Staging("tech-school", "2026-12-31"),
)


def test_every_part_of_a_school_is_read_back_as_it_was_written(file: Path) -> None:
    store.put(file, FULL)
    assert store.load(file)["music"] == FULL
    assert yaml.safe_load(file.read_text())["schools"]["music"] == FULL.row


def test_every_part_goes_again_when_the_school_goes_without_it(file: Path) -> None:
    store.put(file, FULL)
    plain = School("music", "Music School", "music.example")
    store.put(file, replace(FULL, quota=Quota(file_mb=5), config={"http_timeout": 90}))
    assert store.load(file)["music"].row["quota"] == {"file_mb": 5}
    assert store.load(file)["music"].row["config"] == {"http_timeout": 90}
    store.put(file, plain)
    assert yaml.safe_load(file.read_text())["schools"]["music"] == plain.row


def test_a_dropped_row_takes_nothing_else_with_it(file: Path) -> None:
    store.put(file, FULL)
    store.drop(file, "music")
    store.drop(file, "absent")
    assert file.read_text() == TEXT


def test_a_row_is_put_back_with_the_comments_of_lines_that_went(file: Path) -> None:
    earlier = store.snapshot(file)
    with_aliases(file, "tech-school")
    with_aliases(file, "cuisine-school", "learn.example")
    assert "# old name" not in file.read_text()
    store.put_back(file, earlier, earlier.schools["tech-school"])
    assert "    aliases: [www.tech-school.com]  # old name\n" in file.read_text()
    assert store.load(file)["cuisine-school"].aliases == ("learn.example",)
    store.put_back(file, earlier, earlier.schools["cuisine-school"])
    assert file.read_text() == TEXT


def test_a_row_is_put_back_without_a_loss_of_what_a_person_wrote_meanwhile(file: Path) -> None:
    earlier = store.snapshot(file)
    with_aliases(file, "tech-school")
    file.write_text(file.read_text() + "# a word of mine\n")
    store.put_back(file, earlier, earlier.schools["tech-school"])
    assert store.load(file) == earlier.schools
    assert file.read_text().endswith("# a word of mine\n")


@pytest.mark.parametrize("quota", ["&limits\n      file_mb: 5", "&limits {file_mb: 5}"])
def test_a_value_that_two_rows_share_is_left_to_a_person(file: Path, quota: str) -> None:
    row = "  {0}:\n    title: A\n    domain: {0}.example\n    quota: {1}\n"
    text = "schools:\n" + row.format("aa", quota) + row.format("bb", "*limits")
    file.write_text(text)
    for slug in ("aa", "bb"):
        with pytest.raises(DeclarationError, match=r"Could not change schools\.yml"):
            store.put(file, replace(store.load(file)[slug], quota=Quota(file_mb=7)))
    assert file.read_text() == text


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("    state: asleep\n", "state: 'asleep' is none of active, suspended, closed"),
        ("    keep_until: '2026-12-01'\n", "keep_until: belongs to a closed school only"),
        ("    reopen_as: suspended\n", "reopen_as: belongs to a closed school only"),
        ("    state: closed\n    reopen_as: closed\n", "reopen_as: 'closed' is none of active, suspended"),
        ("    state: closed\n    keep_until: 2026-12-01\n", "YAML reads it as date"),
        ("    state: closed\n    keep_until: '2026-13-01'\n", "is no day"),
        ("    locale: {country: France}\n", "locale.language: is missing"),
        ("    locale: [France]\n", "must be a mapping of country, language, timezone, currency"),
        ("    locale: {country: France, language: fr, timezone: Europe/Lutetia, currency: EUR}\n", "is no time zone"),
        ("    locale: {country: France, language: fr, timezone: ../../etc, currency: EUR}\n", "is no time zone"),
        ("    locale: {country: France, language: french, timezone: Europe/Paris, currency: EUR}\n", "language code"),
        ("    locale: {country: France, language: fr, timezone: Europe/Paris, currency: euro}\n", "currency code"),
        ("    quota: {cpu: 5}\n", "quota.cpu: unknown key"),
        ("    quota: {file_mb: 0}\n", "0 is not a whole number from 1"),
        ("    quota: {connections: true}\n", "True is not a whole number"),
        ("    config: {db_name: x}\n", "config.db_name: cannot be set by hand"),
        ("    config: {http_timeot: 5}\n", "did you mean `http_timeout`?"),
        ("    config: {http_timeout: 5}\n", "is not a whole number from 10 to 600"),
        ("    config: {mute_emails: 1}\n", "1 is not true or false"),
        ("    config: {allow_cors: no}\n", "False is not text"),
        ("    staging: {of: tech-school}\n", "staging.expires: is missing"),
    ],
)  # fmt: skip
def test_a_wrong_part_of_a_row_is_refused_with_its_place(file: Path, body: str, reason: str) -> None:
    assert reason in fault(file, row(body))


@pytest.mark.parametrize("domain", ["cuisine-school.com", "not a host", "{{ x }}"])
def test_a_change_that_would_break_the_file_leaves_it_as_it_was(file: Path, domain: str) -> None:
    with pytest.raises(DeclarationError):
        with_aliases(file, "tech-school", domain)
    assert file.read_text() == TEXT
    assert [entry.name for entry in file.parent.iterdir()] == [file.name]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(title=st.text(max_size=60))
@example(title="No")
@example(title="12:30")
@example(title="1.0")
@example(title="2026-01-31")
@example(title="null")
@example(title="- a")
@example(title="a: b # c")
@example(title="'quoted\"")
@example(title="&anchor *alias !tag")
def test_whatever_passes_as_a_title_is_read_back_as_it_was_written(file: Path, title: str) -> None:
    try:
        title = checks.title(title)
    except checks.InvalidValueError:
        return
    file.write_text(TEXT)
    store.put(file, School("music", title, "music.example"))
    assert store.load(file)["music"].title == title
    assert yaml.safe_load(file.read_text())["schools"]["music"]["title"] == title


@pytest.mark.parametrize("slug", ["no", "on", "yes", "off", "null", "true"])
def test_a_slug_that_yaml_would_take_for_something_else_is_written_in_quotes(file: Path, slug: str) -> None:
    store.put(file, School(slug, "School", "music.example"))
    assert store.load(file)[slug].domain == "music.example"


def test_a_kill_during_the_write_leaves_the_old_file_and_a_later_write_succeeds(file: Path) -> None:
    script = (
        "import os, signal; from dataclasses import replace; from pathlib import Path\n"
        "from schoolctl.schools import store\n"
        "class Fatal(type(Path())):\n"
        "    def stat(self, **_): os.kill(os.getpid(), signal.SIGKILL)\n"  # asked for last, just before the rename
        f"file = Fatal({str(file)!r}); school = store.load(file)['tech-school']\n"
        "store.put(file, replace(school, aliases=('learn.example',)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False)
    assert done.returncode == -signal.SIGKILL
    assert file.read_text() == TEXT
    with_aliases(file, "tech-school", "learn.example")
    assert "learn.example" in file.read_text()


def test_two_writers_at_once_lose_no_row(file: Path) -> None:
    def write(number: int) -> None:
        store.put(file, School(f"school-{number}", "S", f"s{number}.example"))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.load(file)) == 8
    assert os.listdir(file.parent) == [file.name]  # noqa: PTH208 - hidden ones too
