import ast
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from schoolctl.context import Context
from schoolctl.schools import store
from schoolctl.schools.demo import DemoCourse
from tests.support.project import schoolctl
from tests.support.recording_transport import CutAtStep, RecordingTransport
from tests.support.server_model import ServerModel


def rows(project: Path) -> Path:
    return project / "inventories/test/group_vars/all/schools.yml"


def test_a_school_that_no_row_declares_is_declared_and_opened(project: Path, server: ServerModel) -> None:
    done = schoolctl(
        project, RecordingTransport(server), "new-school", "music", "--domain", "music.example",
        "--title", "L'École #1",
        "--alias", "www.music.example", "--alias", "musik.example", "--admin-email", "head@music.example", "--json",
    )  # fmt: skip
    assert done.code == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["slug"], told["url"], told["changed"]) == ("music", "https://music.example", True)
    assert len(told["password"]) >= 32
    school = store.load(rows(project))["music"]
    assert (school.title, school.admin_email) == ("L'École #1", "head@music.example")
    assert [server.visit(host) for host in school.hosts] == [200, 308, 308]


def test_a_title_is_made_from_the_slug(project: Path, server: ServerModel) -> None:
    schoolctl(project, RecordingTransport(server), "new-school", "art-school", "--domain", "art.example")
    assert store.load(rows(project))["art-school"].title == "Art School"


def test_a_failed_run_keeps_the_row_and_the_same_command_goes_on(project: Path, server: ServerModel) -> None:
    command = ("new-school", "music", "--domain", "music.example")
    assert schoolctl(project, RecordingTransport(server, word="new-site"), *command).code == 1
    assert "music" in store.load(rows(project))
    assert schoolctl(project, RecordingTransport(server), *command).code == 0
    assert server.visit("music.example") == 200


def test_a_run_that_fails_after_the_site_is_made_still_tells_its_password(project: Path, server: ServerModel) -> None:
    command = ("new-school", "music", "--domain", "music.example")
    failed = schoolctl(project, RecordingTransport(server, word="schools-edge-activate"), *command)
    assert failed.code == 1
    assert "music" in server.sites()
    assert re.search(r"shown only now: \S{32}$", failed.stderr, re.MULTILINE)
    assert "password" not in schoolctl(project, RecordingTransport(server), "--json", *command).stdout


def test_a_new_school_needs_a_domain(project: Path, server: ServerModel) -> None:
    done = schoolctl(project, RecordingTransport(server), "new-school", "music")
    assert done.code == 2
    assert "--domain" in done.stderr


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--domain", "other.example"),
        ("--title", "Other"),
        ("--admin-email", "x@other.example"),
        ("--alias", "other.example"),
    ],
)
def test_an_option_that_contradicts_the_row_is_refused(
    project: Path, server: ServerModel, option: str, value: str
) -> None:
    transport = RecordingTransport(server)
    done = schoolctl(project, transport, "new-school", "tech-school", option, value)
    assert done.code == 3
    assert value in done.stderr
    assert f"leave {option} out" in done.stderr
    assert transport.calls == []


def test_options_that_say_what_the_row_says_are_no_contradiction(project: Path, server: ServerModel) -> None:
    done = schoolctl(
        project, RecordingTransport(server), "new-school", "tech-school", "--domain", "tech-school.com",
        "--title", "Tech School", "--alias", "www.tech-school.com",
    )  # fmt: skip
    assert done.code == 0, done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--domain", "cuisine-school.com"),
        ("--domain", "www.cuisine-school.com"),
        ("--domain", "music.example", "--alias", "cuisine-school.com"),
        ("--domain", "music.example", "--alias", "music.example"),
        ("--domain", "a.example; return 200"),
        ("--domain", "a.example\nb.example"),
        ("--domain", "{{ x }}.example"),
        ("--domain", "../etc.example"),
        ("--domain", "t\u0435ch.example"),
        ("--domain", "music.example", "--title", "{% raw %}"),
        ("--domain", "music.example", "--title", "a\nb"),
        ("--domain", "music.example", "--title", "t" * 141),
        ("--domain", "music.example", "--admin-email", "a@b.org\nBcc: c@d.org"),
    ],
)
def test_a_hostile_or_taken_value_is_refused_before_anything_happens(
    project: Path, server: ServerModel, arguments: tuple[str, ...]
) -> None:
    text = rows(project).read_bytes()
    transport = RecordingTransport(server)
    done = schoolctl(project, transport, "new-school", "music", *arguments)
    assert done.code == 3
    assert "schools.yml: schools.music" in done.stderr or "Could not take the domain" in done.stderr
    assert rows(project).read_bytes() == text
    assert transport.calls == []


def test_a_password_file_is_found_from_where_one_stands(
    project: Path, server: ServerModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "given").write_text("correct horse battery\n")
    done = schoolctl(
        project, RecordingTransport(server), "new-school", "tech-school", "--password-file", "given", "--json"
    )
    assert "password" not in json.loads(done.stdout)
    assert "correct horse battery" in server.secrets


def test_a_person_is_told_of_every_name_that_leads_elsewhere_before_the_row_is_written(
    project: Path, server: ServerModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Context, "interactive", True)
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    text = rows(project).read_bytes()
    done = schoolctl(
        project, RecordingTransport(server), "new-school", "music",
        "--domain", "Musik.org", "--alias", "École.org", resolver=lambda _: frozenset(),
    )  # fmt: skip
    assert done.code == 5
    assert "warning: musik.org leads nowhere yet" in done.stderr
    assert "warning: xn--cole-9oa.org (école.org) leads nowhere yet" in done.stderr
    assert rows(project).read_bytes() == text


# --- on a terminal ----------------------------------------------------------------------------------------------------


Terminal = Callable[..., None]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Let a person sit there who types these lines, then Ctrl-D."""

    def typed(*lines: str) -> None:
        monkeypatch.setattr(Context, "interactive", True)
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))

    return typed


def test_on_a_terminal_a_person_is_asked_for_what_the_row_lacks_until_each_answer_will_do(
    project: Path, server: ServerModel, terminal: Terminal
) -> None:
    terminal(
        "", "https://music.example/", "tech-school.com", "École.org",  # no name, no host name, another school's
        "",  # the title stays
        "nobody", "head@music.example",
        "France", "fr", "Europe/Nowhere", "Europe/Paris", "EUR",
    )  # fmt: skip
    done = schoolctl(project, RecordingTransport(server), "new-school", "music-school")
    assert done.code == 0, done.stderr
    assert "'https://music.example/' is no host name" in done.stderr
    assert "`tech-school`" in done.stderr
    assert "[Music School]" in done.stderr
    assert "'nobody' is no" in done.stderr
    school = store.load(rows(project))["music-school"]
    assert (school.title, school.domain) == ("Music School", "xn--cole-9oa.org")
    assert school.admin_email == "head@music.example"
    assert school.locale is not None
    assert (school.locale.language, school.locale.timezone) == ("fr", "Europe/Paris")
    assert server.visit("xn--cole-9oa.org") == 200


def test_what_can_be_left_out_is_skipped_by_enter(project: Path, server: ServerModel, terminal: Terminal) -> None:
    terminal("music.example", "Our music", "", "")
    done = schoolctl(project, RecordingTransport(server), "new-school", "music")
    assert done.code == 0, done.stderr
    school = store.load(rows(project))["music"]
    assert (school.title, school.admin_email, school.locale) == ("Our music", "", None)


def test_what_an_option_says_is_not_asked_for(project: Path, server: ServerModel, terminal: Terminal) -> None:
    terminal("", "fr", "Europe/Paris", "EUR")
    given = ("--domain", "music.example", "--title", "Our music", "--country", "France")
    done = schoolctl(project, RecordingTransport(server), "new-school", "music", *given)
    assert done.code == 0, done.stderr
    school = store.load(rows(project))["music"]
    assert school.title == "Our music"
    assert school.locale is not None


@pytest.mark.parametrize("arguments", [("tech-school",), ("music", "--domain", "music.example")])
def test_nobody_is_asked_when_the_row_or_the_options_say_enough(
    project: Path, server: ServerModel, terminal: Terminal, arguments: tuple[str, ...]
) -> None:
    terminal()
    done = schoolctl(project, RecordingTransport(server), "new-school", *arguments)
    assert done.code == 0, done.stderr


@pytest.mark.parametrize(("arguments", "code"), [(("music", "--json"), 2), (("../music",), 3)])
def test_nobody_is_asked_for_a_program_or_after_a_slug_that_cannot_be(
    project: Path, server: ServerModel, terminal: Terminal, arguments: tuple[str, ...], code: int
) -> None:
    terminal("music.example", "", "", "")
    transport = RecordingTransport(server)
    done = schoolctl(project, transport, "new-school", *arguments)
    assert (done.code, done.stdout, transport.calls) == (code, "", [])
    assert "domain:" not in done.stderr


def test_a_person_who_gives_up_leaves_nothing_behind(project: Path, server: ServerModel, terminal: Terminal) -> None:
    terminal("music.example")
    text = rows(project).read_bytes()
    transport = RecordingTransport(server)
    assert schoolctl(project, transport, "new-school", "music").code == 130
    assert (rows(project).read_bytes(), transport.calls) == (text, [])


def test_a_dry_run_asks_too_and_writes_nothing(project: Path, server: ServerModel, terminal: Terminal) -> None:
    terminal("music.example", "", "", "")
    text, files = rows(project).read_bytes(), dict(server.files)
    done = schoolctl(project, RecordingTransport(server), "new-school", "music", "--dry-run")
    assert done.code == 0, done.stderr
    assert done.stdout.startswith("slug "), "what is asked is no data"
    assert (rows(project).read_bytes(), server.files) == (text, files)


def demo_of(server: ServerModel, slug: str) -> list[str] | None:
    arguments = server.personalised[f"{slug}.new"]["arguments"]
    demo: list[str] | None = ast.literal_eval(arguments).get("demo")
    return demo


def test_a_new_school_has_the_demo_courses_that_were_asked_for_and_else_none(
    project: Path, server: ServerModel
) -> None:
    command = ("new-school", "tech-school", "--with-demo", "bread", "--with-demo", "circuits")
    assert schoolctl(project, RecordingTransport(server), *command).code == 0
    assert demo_of(server, "tech-school") == ["bread", "circuits"]
    without = ("new-school", "music", "--domain", "music.example")
    assert schoolctl(project, RecordingTransport(server), *without).code == 0
    assert demo_of(server, "music") is None


def test_an_interrupted_school_gets_its_demo_courses_from_resume(project: Path, server: ServerModel) -> None:
    cut = CutAtStep(server, "Install lms_app")
    assert schoolctl(project, cut, "new-school", "tech-school", "--with-demo", "circuits").code == 4
    done = schoolctl(project, RecordingTransport(server), "resume")
    assert "schoolctl new-school tech-school --with-demo circuits\n" in done.stderr
    assert demo_of(server, "tech-school") == ["circuits"]


def test_a_school_that_is_open_is_told_how_to_get_demo_courses(project: Path, server: ServerModel) -> None:
    command = ("new-school", "tech-school", "--with-demo", "bread")
    assert schoolctl(project, RecordingTransport(server), "new-school", "tech-school").code == 0
    done = schoolctl(project, RecordingTransport(server), *command)
    assert (done.code, demo_of(server, "tech-school")) == (0, None)
    assert "execute lms_app.demo.install --args '[\"bread\"]'" in done.stderr


def test_a_demo_course_that_does_not_exist_is_refused_and_the_app_has_each_that_does(
    project: Path, server: ServerModel
) -> None:
    done = schoolctl(project, RecordingTransport(server), "new-school", "tech-school", "--with-demo", "juggling")
    assert done.code == 2
    assert "'bread', 'circuits'" in done.stderr
    assert "tech-school" not in server.sites()
    files = (Path(__file__).parents[3] / "lms_app/lms_app/demo").glob("*.yml")
    assert sorted(path.stem for path in files) == sorted(DemoCourse)
