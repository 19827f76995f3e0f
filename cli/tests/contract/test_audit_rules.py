"""What auditd is told to watch: rules that it understands, for every place where a secret lies."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from schoolctl.render.environment import render
from schoolctl.schools.platform import Platform
from schoolctl.schools.yaml_file import read_mapping

PROJECT = Path(__file__).parents[3]
ROLE = PROJECT / "roles" / "host_audit"
ROOT = "/srv/schools"
PEOPLE = "-F auid>=1000 -F auid!=unset"
# What auditctl(8) takes: a watch of one place, or a rule of fields.
WATCH = re.compile(r"-w (?P<place>/[\w./-]+) -p (?P<what>[rwa]+) -k (?P<key>[a-z-]{1,31})")
RULE = re.compile(
    r"-a always,exit -F (?:dir|path)=(?P<place>/[\w./-]+) -F perm=(?P<what>[rwa]+)"
    rf"(?P<people> {PEOPLE})? -F key=(?P<key>[a-z-]{{1,31}})"
)


def _rules(own: Sequence[str] = ()) -> list[str]:
    variables = (ROLE / "vars" / "main.yml").read_text()
    for name, value in {"host_audit_root": ROOT, "host_audit_deploy_user": "deploy"}.items():
        variables = variables.replace(f"{{{{ {name} }}}}", value)
    text = render(ROLE / "templates", "schools.rules.j2", {**yaml.safe_load(variables), "host_audit_rules": own})
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_auditctl_understands_every_rule_and_a_missing_place_stops_none():
    first, *rules = _rules()

    assert first == "-i"
    assert [rule for rule in rules if not (WATCH.fullmatch(rule) or RULE.fullmatch(rule))] == []
    assert len(rules) == len(set(rules))


@pytest.mark.parametrize(
    "place",
    ["secrets", "config", "tls", "backups", "archive", "compose", "sites"],
)
def test_a_change_of_a_place_with_secrets_is_recorded(place: str):
    watched = {found["place"] for rule in _rules() if (found := _parts(rule)) and "w" in found["what"]}

    assert f"{ROOT}/{place}" in watched


def test_everything_that_is_closed_to_all_but_root_is_recorded_when_a_person_reads_it():
    """Whatever file of the stack nobody but root and the service may read, lies in a folder that is watched."""
    declared = yaml.safe_load((PROJECT / "templates" / "manifest.yml").read_text())["platform"]
    closed = [
        entry["path"].replace("{{ platform.root }}", ROOT) for entry in declared if entry["mode"] in ("0440", "0640")
    ]
    read = {found["place"] for rule in _rules() if (found := _parts(rule)) and "r" in found["what"]}

    assert closed
    # It names the apps, and nothing else.
    assert {path for path in closed if not any(path == place or path.startswith(f"{place}/") for place in read)} == {
        f"{ROOT}/sites/apps.txt"
    }


def test_who_reads_what_opens_the_backups_is_recorded() -> None:
    read = {found["place"] for rule in _rules() if (found := _parts(rule)) and "r" in found["what"]}

    assert {"/etc/schools", f"{ROOT}/backups"} <= read


def test_what_programs_read_all_day_is_not_recorded():
    for rule in _rules():
        found = _parts(rule)
        if found and "r" in found["what"]:
            assert found.get("people"), rule


def test_the_files_that_open_the_server_are_watched():
    watched = {found["place"] for rule in _rules() if (found := WATCH.fullmatch(rule))}

    assert {"/etc/sudoers", "/etc/sudoers.d", "/etc/shadow", "/etc/ssh", "/home/deploy/.ssh"} <= watched


def test_rules_of_ones_own_come_last():
    assert _rules(["-w /opt/own -p wa -k own"])[-1] == "-w /opt/own -p wa -k own"


def test_the_folder_that_is_watched_is_the_platforms():
    example = read_mapping(PROJECT / "inventories/example/group_vars/all/platform.yml", "platform")

    assert Platform.from_mapping(example).root == ROOT
    assert all(f"{ROOT}/" in rule or "/etc/" in rule or "/.ssh" in rule for rule in _rules()[1:])


def _parts(rule: str) -> dict[str, str | None]:
    found = WATCH.fullmatch(rule) or RULE.fullmatch(rule)
    return found.groupdict() if found else {}
