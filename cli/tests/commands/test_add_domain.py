import io
import json
import threading
from pathlib import Path

import pytest

from schoolctl.context import Context
from schoolctl.remote.dns import Addresses, Resolver
from tests.support.project import OTHER, Run, leads_here, schoolctl
from tests.support.recording_transport import Break, RecordingTransport
from tests.support.server_model import ServerModel


def test_it_prints_every_name_that_the_school_answers_to(project: Path, server: ServerModel) -> None:
    done = schoolctl(project, RecordingTransport(server), "add-domain", OTHER, "cook.example", "--json")
    assert json.loads(done.stdout) == {
        "slug": OTHER,
        "title": "Cuisine School",
        "state": "active",
        "url": "https://cuisine-school.com",
        "hosts": ["cuisine-school.com", "www.cuisine-school.com", "cook.example"],
        "changed": True,
    }


@pytest.mark.parametrize(
    "domain",
    ["*.example.org", "a_b.example", "a.example;", "{{ x }}", "☃.example", "t\u0435ch.example", "cook.local", ""],
)
def test_a_hostile_domain_is_refused_before_the_server_is_asked(
    project: Path, server: ServerModel, domain: str
) -> None:
    text = (project / "inventories/test/group_vars/all/schools.yml").read_bytes()
    transport = RecordingTransport(server)
    done = schoolctl(project, transport, "add-domain", OTHER, "--", domain)
    assert done.code == 3
    assert transport.calls == []
    assert (project / "inventories/test/group_vars/all/schools.yml").read_bytes() == text


@pytest.mark.parametrize("typed", ["École.Example.", "xn--cole-9oa.example"])
def test_an_international_name_is_stored_in_the_form_of_the_network(
    project: Path, server: ServerModel, typed: str
) -> None:
    done = schoolctl(project, RecordingTransport(server), "add-domain", OTHER, typed)
    assert done.code == 0, done.stderr
    assert server.visit("xn--cole-9oa.example") == 308


def test_a_pasted_address_is_refused_with_the_part_to_type(project: Path, server: ServerModel) -> None:
    done = schoolctl(project, RecordingTransport(server), "add-domain", OTHER, "https://cook.example/learn")
    assert done.code == 3
    assert "hint: leave the rest out: cook.example" in done.stderr


# --- where the name leads ----------------------------------------------------------------------------------------


def leads_away(_: str) -> Addresses | None:
    return frozenset({"192.0.2.7"})


def at_a_terminal(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    monkeypatch.setattr(Context, "interactive", True)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{answer}\n"))


def add(project: Path, server: ServerModel, *options: str, resolver: Resolver = leads_away) -> Run:
    command = ("add-domain", OTHER, "cook.org", "--json", *options)
    return schoolctl(project, RecordingTransport(server), *command, resolver=resolver)


WARNING = "warning: cook.org leads to 192.0.2.7, this server is 203.0.113.10; point its A record at 203.0.113.10\n"


def test_a_script_is_warned_of_a_name_that_leads_elsewhere_and_goes_on(project: Path, server: ServerModel) -> None:
    done = add(project, server)
    assert done.code == 0
    assert WARNING in done.stderr
    assert "cook.org" in json.loads(done.stdout)["hosts"]
    assert server.visit("cook.org") == 308


def test_a_name_that_leads_here_is_not_worth_a_word(project: Path, server: ServerModel) -> None:
    assert "warning" not in add(project, server, resolver=leads_here).stderr


def test_a_person_is_asked_and_may_go_on(project: Path, server: ServerModel, monkeypatch: pytest.MonkeyPatch) -> None:
    at_a_terminal(monkeypatch, "y")
    done = add(project, server)
    assert (done.code, json.loads(done.stdout)["changed"]) == (0, True)
    assert "Go on all the same?" in done.stderr


@pytest.mark.parametrize("answer", ["n", ""])
def test_a_person_who_does_not_go_on_has_changed_nothing(
    project: Path, server: ServerModel, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    at_a_terminal(monkeypatch, answer)
    rows = (project / "inventories/test/group_vars/all/schools.yml").read_bytes()
    done = add(project, server)
    assert done.code == 5
    assert "--force-dns" in done.stderr
    assert (project / "inventories/test/group_vars/all/schools.yml").read_bytes() == rows
    assert server.visit("cook.org") != 308


def test_forced_nothing_is_looked_up_or_asked(
    project: Path, server: ServerModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_a_terminal(monkeypatch, "n")
    asked: list[str] = []
    done = add(project, server, "--force-dns", resolver=lambda name: asked.append(name))
    assert done.code == 0
    assert asked == []
    assert "warning" not in done.stderr


def test_a_dry_run_warns_and_does_not_ask(project: Path, server: ServerModel, monkeypatch: pytest.MonkeyPatch) -> None:
    at_a_terminal(monkeypatch, "n")
    done = add(project, server, "--dry-run")
    assert done.code == 0
    assert WARNING in done.stderr


def test_a_script_reaches_the_server_while_names_are_looked_up(project: Path, server: ServerModel) -> None:
    reached = threading.Event()

    def resolver(_: str) -> Addresses | None:
        return frozenset({"192.0.2.7"}) if reached.wait(10) else None

    transport = RecordingTransport(server, before_each=lambda _: reached.set())
    done = schoolctl(project, transport, "add-domain", OTHER, "cook.org", resolver=resolver)
    assert done.code == 0
    assert done.stderr.startswith(f"{WARNING}  ")


def test_a_warning_comes_before_the_word_that_the_server_cannot_be_reached(project: Path, server: ServerModel) -> None:
    transport = RecordingTransport(server, at=0, how=Break.VANISHES)
    done = schoolctl(project, transport, "add-domain", OTHER, "cook.org", resolver=leads_away)
    assert done.code == 4
    assert done.stderr.startswith(f"{WARNING}error: ")


def test_a_person_is_asked_before_the_server_is(
    project: Path, server: ServerModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_a_terminal(monkeypatch, "n")
    transport = RecordingTransport(server)
    assert schoolctl(project, transport, "add-domain", OTHER, "cook.org", resolver=leads_away).code == 5
    assert (transport.calls, transport.told) == ([], [])


def test_where_nobody_can_tell_nobody_is_asked(
    project: Path, server: ServerModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_a_terminal(monkeypatch, "n")
    done = add(project, server, resolver=lambda _: None)
    assert done.code == 0
    assert "warning: where cook.org leads could not be found out" in done.stderr


def test_a_taken_name_is_refused_before_anybody_looks_it_up(project: Path, server: ServerModel) -> None:
    asked: list[str] = []
    taken = ("add-domain", OTHER, "tech-school.com")
    done = schoolctl(project, RecordingTransport(server), *taken, resolver=lambda name: asked.append(name))
    assert (done.code, asked) == (3, [])
