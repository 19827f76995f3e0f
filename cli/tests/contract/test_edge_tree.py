"""The edge's tree as Nginx would read it: no location forgets a header, and a checker of such files finds no fault."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import crossplane
import pytest

from schoolctl.schools.model import Schools
from schoolctl.schools.platform import Edge, Platform
from tests.support.edge import TEMPLATES, write_tree

STAGING = {"of": "tech-school", "expires": "2999-12-31"}
ROWS = {
    "tech-school": {"title": "Tech School", "domain": "tech-school.com", "aliases": ["www.tech-school.com"]},
    "paused": {"title": "Paused", "domain": "paused.org", "state": "suspended"},
    "gone": {"title": "Gone", "domain": "gone.org", "state": "closed"},
    "copy": {"title": "Copy", "domain": "copy.org", "staging": STAGING},
}
SETTINGS = {
    "as it is": Edge(),
    "without IPv6": Edge(ipv6=False),
    "behind a proxy": Edge(trusted_proxies=("10.0.0.0/8",)),
    "all switched off": Edge(
        guest_cache_seconds=0, logins_per_minute_of_address=0, logins_per_minute_of_school=0,
        requests_at_once_of_address=0, requests_at_once_of_school=0, sockets_at_once_of_address=0,
        sockets_at_once_of_school=0,
    ),
}  # fmt: skip
ALWAYS = {
    line.split()[1]
    for line in (TEMPLATES / "nginx/security_headers.conf.j2").read_text().splitlines()
    if line.startswith("add_header ")
}
# What it says of a tree that is right, and why we do not heed it.
UNHEEDED = {
    # About speed, not safety: what it wants kept open would outlive a file that was taken away.
    "try_files_is_evil_too",
}


@pytest.fixture(params=SETTINGS.values(), ids=SETTINGS)
def tree(request, tmp_path: Path) -> Path:
    return write_tree(Platform(root=str(tmp_path), bench_image="bench:test", edge=request.param), Schools(ROWS), {})


def test_every_location_that_adds_a_header_adds_those_that_are_always_there(tree: Path):
    adding = [(place, headers) for place, headers in _blocks(_parsed(tree)) if headers]

    assert len(adding) > 10
    assert {place: ALWAYS - headers for place, headers in adding if not headers >= ALWAYS} == {}


@pytest.mark.parametrize("ipv6", [True, False])
def test_whoever_comes_by_ipv6_finds_what_others_find_where_the_server_has_it(tmp_path: Path, ipv6: bool):
    platform = Platform(root=str(tmp_path), bench_image="bench:test", edge=Edge(ipv6=ipv6))
    tree = write_tree(platform, Schools(ROWS), {})
    listening = [
        {" ".join(part["args"]) for part in server["block"] if part["directive"] == "listen"}
        for server in _parsed(tree)
        if server["directive"] == "server"
    ]
    outside = [listens for listens in listening if not any(listen.startswith("8090") for listen in listens)]

    assert len(outside) > len(ROWS)
    for listens in outside:
        over_ipv4 = {listen for listen in listens if not listen.startswith("[::]:")}
        assert {f"[::]:{listen}" for listen in over_ipv4 if ipv6} == listens - over_ipv4


def test_every_door_to_the_outside_has_them(tree: Path):
    servers = [
        (directive["line"], directive["block"])
        for directive in _parsed(tree)
        if directive["directive"] == "server" and not _is_silent(directive["block"])
    ]

    assert len(servers) >= 5
    for line, block in servers:
        assert {header for name, header in _headers(block) if name == "add_header"} >= ALWAYS, f"server in line {line}"


def test_a_checker_finds_no_fault(tree: Path):
    assert [fault for fault in _faults(tree) if fault["plugin"] not in UNHEEDED] == []


def test_the_checker_finds_a_fault_where_there_is_one(tree: Path):
    school = tree / "schools/tech-school.conf"
    forgotten = "        include security_headers.conf;\n        add_header Content"
    school.write_text(school.read_text().replace(forgotten, "        add_header Content"))

    assert "add_header_redefinition" in {fault["plugin"] for fault in _faults(tree)}
    assert {place: ALWAYS - headers for place, headers in _blocks(_parsed(tree)) if headers and not headers >= ALWAYS}


def _faults(tree: Path) -> list[dict[str, Any]]:
    checker = Path(sys.executable).with_name("gixy")
    done = subprocess.run([checker, "--format", "json", tree / "nginx.conf"], capture_output=True, text=True)
    return list(json.loads(done.stdout))


def _parsed(tree: Path) -> list[dict[str, Any]]:
    """Return the directives of the http block, with all that is included in its place."""
    parsed = crossplane.parse(str(tree / "nginx.conf"), combine=True)
    assert parsed["errors"] == []
    (http,) = [entry for entry in parsed["config"][0]["parsed"] if entry["directive"] == "http"]
    return list(http["block"])


def _blocks(block: list[dict[str, Any]], place: str = "") -> Iterator[tuple[str, set[str]]]:
    """Yield each server, location and `if`, with the names of the headers that it adds itself."""
    for directive in block:
        if directive["directive"] in {"server", "location", "if"}:
            here = f"{place} > {directive['directive']} {' '.join(directive['args'])} ({directive['line']})"
            yield here, {header for name, header in _headers(directive["block"]) if name == "add_header"}
            yield from _blocks(directive["block"], here)


def _headers(block: list[Mapping[str, Any]]) -> list[tuple[str, str]]:
    return [(directive["directive"], directive["args"][0]) for directive in block if directive["args"]]


def _is_silent(block: list[Mapping[str, Any]]) -> bool:
    """Tell the listener for containers, and the one that gives no answer, by their ports being their own default."""
    return any("default_server" in directive["args"] for directive in block if directive["directive"] == "listen")
