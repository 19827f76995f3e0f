"""The program on the server that gets certificates: what it asks for, what it puts in force, and what it tells."""

import contextlib
import http.client
import importlib.util
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PROGRAM = Path(__file__).resolve().parents[3] / "roles" / "edge_tls" / "files" / "schools_certs.py"
NOW = datetime(2026, 1, 31, 2, tzinfo=UTC)
DAY = timedelta(days=1)


def named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@dataclass
class Authority:
    """Somebody who vouches for others, in memory."""

    name: str = "An Authority"
    key: Any = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def issue(self, *names: str, begins: datetime = NOW - DAY, days: int = 90, key: Any = None) -> tuple[str, str]:
        """Return a certificate and its key as PEM."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        builder = x509.CertificateBuilder(
            named(self.name),
            named(names[0]),
            key.public_key(),
            x509.random_serial_number(),
            begins,
            begins + days * DAY,
        ).add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        certificate = builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
        return certificate, pem(key)


def pem(key: Any, passphrase: bytes | None = None) -> str:
    locked = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return str(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked).decode())


@dataclass
class World:
    """A server's files, an authority that certbot asks, and what stands in the way."""

    root: Path
    program: ModuleType
    authority: Authority = field(default_factory=Authority)
    asked: list[list[str]] = field(default_factory=list)
    refusal: str = ""
    hiccups: list[str] = field(default_factory=list)
    trusts: bool = True
    astray: set[str] = field(default_factory=set)
    activated: int = 0

    def declare(self, slug: str, domain: str, *aliases: str, certificate: str = "acme") -> None:
        row = {"certificate": certificate, "domain": domain, "aliases": list(aliases)}
        (self.root / f"edge/conf/certificates/{slug}.json").write_text(json.dumps(row))

    def run(self, *argv: str, timeout: float = 60) -> "subprocess.CompletedProcess[str]":
        if argv[0] == "openssl":
            return subprocess.CompletedProcess(argv, 0 if self.trusts else 2, "", "")
        if argv[0] == "/activate":
            self.activated += 1
            return subprocess.CompletedProcess(argv, 0, "changed\n", "")
        assert argv[0] == "certbot"
        if argv[1] == "delete":
            name = argv[argv.index("--cert-name") + 1]
            (self.root / f"tls/certbot/config/renewal/{name}.conf").unlink()
            return subprocess.CompletedProcess(argv, 0, "", "")
        names = argv[argv.index("--domain") + 1].split(",")
        self.asked.append(names)
        if self.hiccups:
            return self.fail_with(self.hiccups.pop(0))
        if self.refusal:
            return subprocess.CompletedProcess(argv, 1, "", f"  Detail: {self.refusal}\nAsk for help or search\n")
        self.keep(argv[argv.index("--cert-name") + 1], *names)
        return subprocess.CompletedProcess(argv, 0, "", "")

    def fail_with(self, kind: str) -> "subprocess.CompletedProcess[str]":
        """Fail as certbot does at an answer that it did not expect: the answer's kind stands in its log alone."""
        log = self.root / "tls/certbot/logs/letsencrypt.log"
        log.parent.mkdir(exist_ok=True)
        with log.open("a") as file:
            file.write(f"acme.messages.Error: urn:ietf:params:acme:error:{kind} :: Not now\n")
        return subprocess.CompletedProcess(["certbot"], 1, "", "An unexpected error occurred:\nNot now\n")

    def keep(self, lineage: str, *names: str, **validity: Any) -> None:
        """Put a certificate where certbot would have it."""
        folder = self.root / "tls/certbot/config/live" / lineage
        folder.mkdir(parents=True, exist_ok=True)
        certificate, key = self.authority.issue(*names, **validity)
        (folder / "fullchain.pem").write_text(certificate)
        (folder / "privkey.pem").write_text(key)
        renewal = self.root / f"tls/certbot/config/renewal/{lineage}.conf"
        renewal.write_text(f"version = 2.1.0\n[renewalparams]\nserver = {self.program.SETTINGS['directory']}\n")

    def leads_here(self, host: str) -> None:
        if host in self.astray:
            raise self.program.RefusedError(f"{host} leads nowhere")

    def get(self, *slugs: str, force: bool = False) -> dict[str, dict[str, Any]]:
        return {row["slug"]: row for row in self.program.get(list(slugs), force=force)}

    def key_in_force(self, slug: str) -> str:
        return str(self.program.bundle_at(self.root / f"edge/conf/tls/{slug}.pem").key)

    def in_force(self, slug: str) -> list[str] | None:
        bundle = self.program.bundle_at(self.root / f"edge/conf/tls/{slug}.pem")
        return bundle and bundle.names

    def is_noted(self, slug: str) -> bool:
        return (self.root / f"edge/conf/tls/{slug}.map").exists()

    def own(self, slug: str, text: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        monkeypatch.setattr(sys, "stdin", StringIO(text))
        return dict(self.program.take_own(slug))


@pytest.fixture
def clock() -> dict[str, datetime]:
    return {"now": NOW}


@pytest.fixture
def settings() -> dict[str, Any]:
    return {}


@pytest.fixture
def world(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: dict[str, datetime], settings: dict[str, Any]
) -> World:
    for folder in (
        "edge/conf/certificates",
        "edge/conf/tls",
        "edge/acme/.well-known/acme-challenge",
        "tls/own",
        "tls/certbot/config/renewal",
    ):
        (tmp_path / folder).mkdir(parents=True)
    known = {
        "root": str(tmp_path), "certificates": "acme", "directory": "https://ca.example/dir", "email": "", "zone": "",
        "dns_plugin": "", "dns_propagation_seconds": 0, "addresses": [], "authorities": "/no",
        "activate": "/activate",
    }  # fmt: skip
    file = tmp_path / "settings.json"
    file.write_text(json.dumps(known | settings))
    monkeypatch.setenv("SCHOOLS_CERTS_SETTINGS", str(file))
    spec = importlib.util.spec_from_file_location("schools_certs", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    world = World(tmp_path, program)
    monkeypatch.setattr(program, "now", lambda: clock["now"])
    monkeypatch.setattr(program, "run", world.run)
    monkeypatch.setattr(program, "authority", list)
    monkeypatch.setattr(program, "demand_leads_here", world.leads_here)
    return world


def test_a_school_gets_one_certificate_for_all_its_names_and_it_is_put_in_force(world: World) -> None:
    world.declare("tech", "tech.org", "www.tech.org")
    row = world.get("tech")["tech"]
    assert world.asked == [["tech.org", "www.tech.org"]]
    assert world.in_force("tech") == ["tech.org", "www.tech.org"]
    assert world.is_noted("tech")
    assert (row["state"], row["issuer"], row["fault"], row["missing"]) == ("trusted", "An Authority", None, [])
    assert (row["expires"], row["renews"]) == ("2026-04-30T02:00:00Z", "2026-03-31T02:00:00Z")
    assert world.activated == 1
    assert (world.root / "edge/conf/tls/tech.pem").stat().st_mode & 0o777 == 0o600


def test_what_is_fresh_is_not_asked_for_again(world: World) -> None:
    world.declare("tech", "tech.org")
    world.get("tech")
    world.get("tech")
    world.get()
    assert len(world.asked) == 1


def test_what_is_fresh_is_replaced_with_its_key_for_who_insists(world: World) -> None:
    world.declare("tech", "tech.org")
    world.declare("art", "art.org")
    world.get()
    before = {slug: world.key_in_force(slug) for slug in ("tech", "art")}
    row = world.get("tech", force=True)["tech"]
    assert world.asked[2:] == [["tech.org"]]
    assert (row["state"], row["fault"]) == ("trusted", None)
    assert world.key_in_force("tech") != before["tech"]
    assert world.key_in_force("art") == before["art"]


def test_who_insists_has_no_more_of_the_authority_than_others(world: World) -> None:
    world.declare("tech", "tech.org")
    world.get()
    for _ in range(4):
        world.get("tech", force=True)
    before = world.key_in_force("tech")
    with pytest.raises(world.program.RefusedError, match="tech: 5 certificates for the very same names"):
        world.get("tech", force=True)
    assert len(world.asked) == 5
    assert world.key_in_force("tech") == before


def test_what_cannot_be_replaced_stays_in_force_and_that_is_told(world: World) -> None:
    world.declare("tech", "tech.org")
    world.declare("art", "art.org")
    world.get()
    before = world.key_in_force("tech"), world.key_in_force("art")
    world.astray = {"tech.org"}
    with pytest.raises(world.program.RefusedError, match=r"not replaced.* tech: tech\.org leads nowhere"):
        world.get("tech", "art", force=True)
    assert world.key_in_force("tech") == before[0]
    assert world.key_in_force("art") != before[1], "what fails for one school keeps no other waiting"
    assert world.get()["tech"]["fault"] is None, "it lacks nothing"


def test_a_name_that_is_led_astray_is_not_lost_by_insisting(world: World) -> None:
    world.declare("tech", "tech.org", "old.org", "never.org")
    world.astray = {"never.org"}
    world.get()
    world.get("tech", force=True)
    assert world.asked == [["tech.org", "old.org"]] * 2
    world.astray = {"never.org", "old.org"}
    with pytest.raises(world.program.RefusedError, match=r"old\.org leads nowhere"):
        world.get("tech", force=True)
    assert len(world.asked) == 2
    assert world.in_force("tech") == ["old.org", "tech.org"]


@pytest.mark.parametrize("way", ["own", "self-signed"])
def test_only_what_an_authority_gave_can_be_replaced(world: World, way: str) -> None:
    world.declare("art", "art.org")
    world.declare("tech", "tech.org", certificate=way)
    with pytest.raises(world.program.RefusedError, match="tech has no certificate that an authority would replace"):
        world.get("art", "tech", force=True)
    assert world.asked == []


@pytest.mark.parametrize("settings", [{"zone": "schools.org", "dns_plugin": "rfc2136"}])
def test_a_wildcard_that_is_replaced_is_so_for_all_who_share_it(world: World) -> None:
    world.declare("tech", "tech.schools.org")
    world.declare("art", "art.schools.org")
    world.get()
    before = world.key_in_force("art")
    assert set(world.get("tech", force=True)) == {"tech", "art"}
    assert len(world.asked) == 2
    assert world.key_in_force("art") == world.key_in_force("tech") != before


def test_it_is_renewed_in_the_last_third_of_its_time(world: World, clock: dict[str, datetime]) -> None:
    world.declare("tech", "tech.org")
    world.get()
    clock["now"] = NOW + 58 * DAY
    world.get()
    assert len(world.asked) == 1
    clock["now"] = NOW + 60 * DAY
    world.authority.name = "A Later One"
    world.keep("tech", "tech.org")  # as certbot had left it
    world.get()
    assert len(world.asked) == 2


def test_a_name_more_or_less_is_asked_for_at_once(world: World) -> None:
    world.declare("tech", "tech.org")
    world.get()
    world.declare("tech", "tech.org", "www.tech.org")
    world.get()
    world.declare("tech", "www.tech.org")
    world.get()
    assert world.asked == [["tech.org"], ["tech.org", "www.tech.org"], ["www.tech.org"]]


def test_one_failing_school_keeps_no_other_from_its_certificate(world: World) -> None:
    world.declare("astray", "astray.org")
    world.declare("tech", "tech.org")
    world.astray = {"astray.org"}
    rows = world.get()
    assert world.asked == [["tech.org"]]
    assert rows["tech"]["state"] == "trusted"
    assert (rows["astray"]["state"], rows["astray"]["fault"]) == ("self-signed", "astray.org leads nowhere")


def test_an_alias_that_leads_elsewhere_waits_and_the_others_are_served(world: World) -> None:
    world.declare("tech", "tech.org", "old.org")
    world.astray = {"old.org"}
    row = world.get()["tech"]
    assert world.asked == [["tech.org"]]
    assert (row["state"], row["missing"], row["fault"]) == ("trusted", ["old.org"], "old.org leads nowhere")
    world.get()
    assert len(world.asked) == 1, "nothing is new"
    world.astray = set()
    assert world.get()["tech"]["missing"] == []
    assert world.asked[-1] == ["tech.org", "old.org"]


def test_what_stood_in_the_way_of_a_name_is_forgotten_with_the_name(world: World) -> None:
    world.declare("tech", "tech.org", "old.org")
    world.astray = {"old.org"}
    world.get()
    world.declare("tech", "tech.org")
    row = world.get()["tech"]
    assert (row["fault"], row["missing"]) == (None, [])
    assert world.asked == [["tech.org"]]


def test_a_canonical_name_that_leads_elsewhere_is_not_asked_for_and_costs_no_budget(world: World) -> None:
    world.declare("tech", "tech.org", "www.tech.org")
    world.astray = {"tech.org"}
    row = world.get()["tech"]
    assert world.asked == []
    assert (row["state"], row["budget"], row["retry"]) == ("self-signed", 50, None)


def test_after_a_refusal_the_authority_is_left_alone_for_an_hour_then_two_then_four(
    world: World, clock: dict[str, datetime]
) -> None:
    world.declare("tech", "tech.org")
    world.refusal = "tech.org: 403, unauthorised"
    row = world.get()["tech"]
    assert row["fault"] == "tech.org: 403, unauthorised"
    assert row["retry"] == "2026-01-31T03:00:00Z"
    waits = []
    for minute in range(0, 8 * 60, 10):
        clock["now"] = NOW + timedelta(minutes=minute)
        before = len(world.asked)
        world.get()
        if len(world.asked) > before:
            waits.append(minute)
    assert waits == [60, 180, 420]


def test_who_asks_by_name_need_not_wait(world: World) -> None:
    world.declare("tech", "tech.org")
    world.refusal = "no"
    world.get()
    world.refusal = ""
    assert world.get("tech")["tech"]["state"] == "trusted"


def test_a_name_that_was_refused_five_times_within_an_hour_is_not_asked_for_again(
    world: World, clock: dict[str, datetime]
) -> None:
    world.declare("tech", "tech.org")
    world.refusal = "no"
    for _ in range(7):
        row = world.get("tech")["tech"]
    assert len(world.asked) == 5
    assert "refused 5 times within an hour" in row["fault"]
    clock["now"] += timedelta(minutes=61)
    world.get("tech")
    assert len(world.asked) == 6


def test_the_very_same_names_are_asked_for_five_times_a_week_at_most(world: World, clock: dict[str, datetime]) -> None:
    world.declare("tech", "tech.org")
    for _ in range(7):
        (world.root / "tls/certbot/config/live/tech/fullchain.pem").unlink(missing_ok=True)
        row = world.get("tech")["tech"]
    assert len(world.asked) == 5
    assert "5 certificates for the very same names" in row["fault"]
    assert row["state"] == "trusted", "the last one is still in force"
    clock["now"] += 8 * DAY
    world.get("tech")
    assert len(world.asked) == 6


def test_the_week_of_a_registered_domain_is_counted_over_all_schools(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.program, "suffixes", lambda: {"org", "uk", "co.uk", "*.ck", "!www.ck"})
    for number in range(51):
        world.declare(f"s{number}", f"s{number}.big.co.uk")
    world.declare("other", "other.co.uk")
    rows = world.get()
    assert len(world.asked) == 51
    [left_out] = [row for row in rows.values() if row["state"] != "trusted"]
    assert "50 certificates for big.co.uk" in left_out["fault"]
    assert rows["other"]["budget"] == 49


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("a.b.school.org", "school.org"),
        ("school.org", "school.org"),
        ("a.school.co.uk", "school.co.uk"),
        ("*.school.co.uk", "school.co.uk"),
        ("a.b.school.ck", "b.school.ck"),
        ("a.www.ck", "www.ck"),
        ("a.unknown", "a.unknown"),
    ],
)
def test_a_registered_domain_is_one_label_more_than_its_public_suffix(
    world: World, monkeypatch: pytest.MonkeyPatch, host: str, domain: str
) -> None:
    monkeypatch.setattr(world.program, "suffixes", lambda: {"org", "uk", "co.uk", "*.ck", "!www.ck"})
    assert world.program.registered(host) == domain


def test_a_certificate_stays_in_force_while_no_other_can_be_had_and_an_alarm_is_given_at_14_days(
    world: World, clock: dict[str, datetime]
) -> None:
    world.declare("tech", "tech.org")
    world.get()
    world.refusal = "out of order"
    clock["now"] = NOW + 74 * DAY
    assert world.get()["tech"]["alarm"] is False
    clock["now"] = NOW + 76 * DAY
    row = world.get()["tech"]
    assert (row["state"], row["alarm"], row["fault"]) == ("trusted", True, "out of order")
    clock["now"] = NOW + 90 * DAY
    row = world.get()["tech"]
    assert world.in_force("tech") is None, "the edge's own program signs one in its place"
    assert not world.is_noted("tech")
    assert (row["state"], row["fault"]) == ("self-signed", "out of order")
    assert (row["alarm"], row["ends"]) == (True, "2026-04-30T02:00:00Z"), "now that it harms, it is told all the same"


def test_visitors_are_sent_to_https_only_by_what_browsers_trust(world: World) -> None:
    world.declare("tech", "tech.org")
    world.trusts = False
    row = world.get()["tech"]
    assert (row["state"], row["fault"]) == ("untrusted", "no authority that this server trusts stands behind it")
    assert world.in_force("tech") == ["tech.org"]
    assert not world.is_noted("tech")
    world.trusts = True
    assert world.get()["tech"]["state"] == "trusted"
    world.trusts = False
    world.get()
    assert not world.is_noted("tech")


def test_an_authority_that_does_not_answer_is_no_reason_to_fail(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent() -> list[str]:
        raise world.program.RefusedError("the authority at ca.example does not answer: timed out")

    monkeypatch.setattr(world.program, "authority", silent)
    world.declare("tech", "tech.org")
    assert world.get()["tech"]["fault"] == "the authority at ca.example does not answer: timed out"
    assert world.activated == 1


def test_a_certbot_that_hangs_is_ended(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*argv: str, timeout: float = 60) -> Any:
        if argv[0] == "certbot":
            raise subprocess.TimeoutExpired(argv, timeout)
        return world.run(*argv, timeout=timeout)

    monkeypatch.setattr(world.program, "run", hang)
    world.declare("tech", "tech.org")
    assert "not done after 300 s" in world.get()["tech"]["fault"]


@pytest.mark.parametrize("kind", ["badNonce", "serverInternal"])
def test_an_authority_that_stumbles_is_asked_again_at_once(world: World, kind: str) -> None:
    world.declare("tech", "tech.org")
    world.hiccups = [kind, kind]
    assert world.get()["tech"]["fault"] is None
    assert world.in_force("tech") == ["tech.org"]
    assert len(world.asked) == 3


def test_an_authority_that_does_nothing_but_stumble_is_left_alone_for_a_while(world: World) -> None:
    world.declare("tech", "tech.org")
    world.hiccups = ["badNonce"] * 9
    assert world.get()["tech"]["fault"] == "An unexpected error occurred: Not now"
    world.get()
    assert len(world.asked) == 3


def test_an_authority_that_refuses_is_asked_once_whatever_it_stumbled_over_before(world: World) -> None:
    world.declare("tech", "tech.org")
    world.fail_with("badNonce")
    world.hiccups = ["rateLimited"]
    world.get()
    assert len(world.asked) == 1


@pytest.mark.parametrize("settings", [{"zone": "schools.org", "dns_plugin": "rfc2136"}])
def test_schools_below_the_zone_share_one_wildcard_that_is_asked_for_once(world: World) -> None:
    world.declare("tech", "tech.schools.org")
    world.declare("art", "art.schools.org")
    world.declare("far", "far.org", "far.schools.org")
    world.astray = {"tech.schools.org", "art.schools.org"}  # nobody looks: the proof is in the zone
    rows = world.get()
    assert world.asked == [["schools.org", "*.schools.org"], ["far.org", "far.schools.org"]] or world.asked == [
        ["far.org", "far.schools.org"],
        ["schools.org", "*.schools.org"],
    ]
    assert {row["state"] for row in rows.values()} == {"trusted"}
    assert world.in_force("tech") == world.in_force("art") == ["*.schools.org", "schools.org"]
    world.declare("new", "new.schools.org")
    assert world.get("new")["new"]["state"] == "trusted"
    assert len(world.asked) == 2, "a new school asks nobody"


def test_a_school_brings_its_own(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.declare("tech", "tech.org", "www.tech.org", certificate="own")
    certificate, key = world.authority.issue("tech.org")
    chain = Authority("A Root").issue("An Authority")[0]
    kept = world.own("tech", key + chain + certificate, monkeypatch)
    assert (kept["issuer"], kept["trusted"], kept["missing"]) == ("An Authority", True, ["www.tech.org"])
    world.get()
    assert world.asked == []
    text = (world.root / "edge/conf/tls/tech.pem").read_text()
    assert text.startswith(certificate.strip()), "its own certificate comes first, whatever the order was"
    assert world.is_noted("tech")


def expired(authority: Authority) -> str:
    return "".join(authority.issue("tech.org", begins=NOW - 90 * DAY, days=60))


def not_yet(authority: Authority) -> str:
    return "".join(authority.issue("tech.org", begins=NOW + DAY))


def for_another(authority: Authority) -> str:
    return "".join(authority.issue("other.org", "*.tech.org"))


def with_another_key(authority: Authority) -> str:
    return authority.issue("tech.org")[0] + authority.issue("tech.org")[1]


def without_key(authority: Authority) -> str:
    return authority.issue("tech.org")[0]


def with_two_keys(authority: Authority) -> str:
    return "".join(authority.issue("tech.org")) + authority.issue("tech.org")[1]


def with_a_passphrase(authority: Authority) -> str:
    return authority.issue("tech.org")[0] + pem(ec.generate_private_key(ec.SECP256R1()), b"open sesame")


def weak_key() -> Any:
    return rsa.generate_private_key(65537, 1024)  # noqa: S505 - that is what it is for


def too_weak(authority: Authority) -> str:
    return "".join(authority.issue("tech.org", key=weak_key()))


def garbled(authority: Authority) -> str:
    certificate, key = authority.issue("tech.org")
    return certificate.replace("MII", "MI!", 1) + key


@pytest.mark.parametrize(
    ("brought", "because"),
    [
        (expired, "it expired on 2026-01-01"),
        (not_yet, "valid from 2026-02-01 on"),
        (for_another, r"it is for \*.tech.org, other.org, not for tech.org"),
        (with_another_key, "belongs to none of its certificates"),
        (without_key, "0 private keys and 1 certificates"),
        (with_two_keys, "2 private keys"),
        (with_a_passphrase, "passphrase"),
        (garbled, "cannot be read"),
        (too_weak, "no server would take it: ee key too small"),
        (lambda _: "", "0 private keys and 0 certificates"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason_and_what_was_there_stays(
    world: World, monkeypatch: pytest.MonkeyPatch, brought: Callable[[Authority], str], because: str
) -> None:
    world.declare("tech", "tech.org", certificate="own")
    world.own("tech", "".join(world.authority.issue("tech.org")), monkeypatch)
    before = (world.root / "tls/own/tech.pem").read_text()
    with pytest.raises(world.program.RefusedError, match=because):
        world.own("tech", brought(world.authority), monkeypatch)
    assert (world.root / "tls/own/tech.pem").read_text() == before


def test_an_own_certificate_that_expires_gives_way_to_one_that_nobody_vouches_for_and_it_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch, clock: dict[str, datetime]
) -> None:
    world.declare("tech", "tech.org", certificate="own")
    world.own("tech", "".join(world.authority.issue("tech.org", days=30)), monkeypatch)
    world.get()
    clock["now"] = NOW + 20 * DAY
    row = world.get()["tech"]
    assert (row["alarm"], row["fault"]) == (True, "it expires on 2026-03-01")
    clock["now"] = NOW + 40 * DAY
    row = world.get()["tech"]
    assert world.in_force("tech") is None
    assert not world.is_noted("tech")
    assert (row["alarm"], row["fault"]) == (True, "its own certificate expired on 2026-03-01")


def test_one_that_nobody_vouches_for_takes_no_trusted_ones_place(
    world: World, monkeypatch: pytest.MonkeyPatch, clock: dict[str, datetime]
) -> None:
    world.declare("tech", "tech.org")
    world.get()
    before = (world.root / "edge/conf/tls/tech.pem").read_text()
    world.declare("tech", "tech.org", certificate="own")
    monkeypatch.setattr(world.program.Bundle, "is_trusted", lambda bundle: bundle.issuer == "An Authority")
    world.own("tech", "".join(Authority("Nobody").issue("tech.org", days=300)), monkeypatch)
    row = world.get()["tech"]
    assert (world.root / "edge/conf/tls/tech.pem").read_text() == before
    assert (row["state"], world.is_noted("tech")) == ("trusted", True)
    assert "the one before stays in force" in row["fault"]
    clock["now"] = NOW + 100 * DAY
    assert world.get()["tech"]["state"] == "untrusted"
    assert not world.is_noted("tech")


def test_what_a_server_would_refuse_is_never_put_in_force(world: World) -> None:
    world.declare("tech", "tech.org")
    world.get()
    before = (world.root / "edge/conf/tls/tech.pem").read_text()
    certificate, key = world.authority.issue("tech.org", key=weak_key())
    folder = world.root / "tls/certbot/config/live/tech"
    (folder / "fullchain.pem").write_text(certificate)
    (folder / "privkey.pem").write_text(key)
    world.get()
    assert (world.root / "edge/conf/tls/tech.pem").read_text() == before


def test_what_certbot_left_when_it_was_killed_is_cleared_away_first(world: World) -> None:
    world.declare("tech", "tech.org")
    renewal = world.root / "tls/certbot/config/renewal/tech.conf"
    renewal.touch()
    (world.root / "tls/certbot/config/archive/tech").mkdir(parents=True)
    left: list[bool] = []
    keep = world.keep

    def look_and_keep(*names: str) -> None:
        left.append(renewal.exists())
        keep(*names)

    world.keep = look_and_keep  # type: ignore[method-assign, assignment]
    assert world.get()["tech"]["state"] == "trusted"
    assert left == [False]


def test_what_certbot_keeps_elsewhere_does_not_count_as_got(world: World) -> None:
    world.declare("tech", "tech.org")
    keep = world.keep
    world.keep = lambda lineage, *names, **how: keep(f"{lineage}-0001", *names, **how)  # type: ignore[method-assign]
    assert world.get()["tech"]["fault"] == "certbot says that it got one, and keeps none"


def test_another_authority_is_asked_at_once_and_its_budget_is_its_own(world: World) -> None:
    world.declare("tech", "tech.org")
    world.get()
    world.program.SETTINGS["directory"] = "https://other.example/dir"
    row = world.get()["tech"]
    assert len(world.asked) == 2
    assert row["budget"] == 49


def test_an_alias_that_is_astray_today_costs_no_certificate(world: World) -> None:
    world.declare("tech", "tech.org", "www.tech.org", "old.org")
    world.astray = {"old.org"}
    world.get()
    for astray in ({"old.org", "www.tech.org"}, {"old.org"}) * 3:
        world.astray = astray
        world.get()
    assert world.asked == [["tech.org", "www.tech.org"]]
    assert world.in_force("tech") == ["tech.org", "www.tech.org"]


def test_only_names_that_the_certificate_covers_are_sent_to_https(world: World) -> None:
    world.declare("tech", "tech.org", "old.org")
    world.astray = {"old.org"}
    world.get()
    assert (world.root / "edge/conf/tls/tech.map").read_text() == '"tech tech.org" 1;\n'
    world.astray = set()
    world.get()
    assert (world.root / "edge/conf/tls/tech.map").read_text() == '"tech tech.org" 1;\n"tech old.org" 1;\n'


def test_one_school_that_breaks_the_program_keeps_no_other_waiting(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def demand(host: str) -> None:
        if host == "a.org":
            raise RuntimeError("never thought of")

    monkeypatch.setattr(world.program, "demand_leads_here", demand)
    world.declare("a", "a.org")
    world.declare("b", "b.org")
    assert world.get()["b"]["state"] == "trusted"
    assert "a: RuntimeError: never thought of" in capsys.readouterr().err


def test_a_silent_authority_is_asked_once_in_a_run(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def silent() -> list[str]:
        asked.append(1)
        raise world.program.RefusedError("the authority does not answer")

    monkeypatch.setattr(world.program, "authority", silent)
    for slug in ("a", "b", "c"):
        world.declare(slug, f"{slug}.org")
    assert {row["fault"] for row in world.get().values()} == {"the authority does not answer"}
    assert asked == [1]


def test_who_answers_byte_by_byte_is_left_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    world.program.LOOK_PATIENCE_S = 0.5

    class Drip(http.client.HTTPConnection):
        def connect(self) -> None:
            self.sock, other = socket.socketpair()

            def drip() -> None:
                with other, contextlib.suppress(OSError):
                    while True:
                        other.send(b"H")
                        time.sleep(0.05)

            threading.Thread(target=drip, daemon=True).start()

    monkeypatch.setattr(world.program.http.client, "HTTPConnection", Drip)
    began = time.monotonic()
    assert world.program._asks("192.0.2.1", "a.org", "x") is None
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("usage", "trusted"),
    [(ExtendedKeyUsageOID.SERVER_AUTH, True), (ExtendedKeyUsageOID.CLIENT_AUTH, False), (None, True)],
)
def test_trust_is_what_openssl_says_of_a_server_with_or_without_a_chain(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, usage: Any, trusted: bool
) -> None:
    monkeypatch.undo()
    now = datetime.now(UTC)
    root, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())

    def builder(subject: str, public: Any) -> x509.CertificateBuilder:
        return x509.CertificateBuilder(named("Root"), named(subject), public, 1, now - DAY, now + DAY)

    authority = builder("Root", root.public_key()).add_extension(x509.BasicConstraints(True, None), critical=True)
    leaf = builder("a.org", key.public_key())
    if usage:
        leaf = leaf.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    file = tmp_path / "authorities.pem"
    file.write_bytes(authority.sign(root, hashes.SHA256()).public_bytes(Encoding.PEM))
    world.program.SETTINGS["authorities"] = str(file)
    bundle = world.program.Bundle(leaf.sign(root, hashes.SHA256()).public_bytes(Encoding.PEM).decode() + pem(key))
    assert bundle.is_trusted() is trusted


def test_a_school_that_goes_back_to_self_signed_asks_nobody_and_its_http_is_free_again(world: World) -> None:
    world.declare("tech", "tech.org")
    world.get()
    world.declare("tech", "tech.org", certificate="self-signed")
    world.get()
    assert world.in_force("tech") is None
    assert not world.is_noted("tech")


def test_what_is_kept_of_schools_that_are_gone_is_dropped(world: World) -> None:
    world.declare("tech", "tech.org")
    for slug in ("tech", "gone", "_wildcard"):
        (world.root / f"tls/certbot/config/renewal/{slug}.conf").touch()
    (world.root / "tls/own/gone.pem").touch()
    world.get("tech")
    assert (world.root / "tls/own/gone.pem").exists(), "who asks for one school leaves the others alone"
    world.get()
    left = sorted(path.name for path in (world.root / "tls/certbot/config/renewal").iterdir())
    assert left == ["_wildcard.conf", "tech.conf"]
    assert not (world.root / "tls/own/gone.pem").exists()


def test_a_school_that_the_edge_does_not_know_is_refused(world: World) -> None:
    with pytest.raises(world.program.RefusedError, match="knows no school tech"):
        world.get("tech")


def test_how_all_stand_is_written_down_for_those_who_ask_later(world: World) -> None:
    world.declare("tech", "tech.org")
    world.declare("art", "art.org")
    world.get("tech")
    rows = json.loads((world.root / "tls/standing.json").read_text())
    assert [(row["slug"], row["state"]) for row in rows] == [("art", "self-signed"), ("tech", "trusted")]


# --- whether a name leads here, and whom it allows --------------------------------------------------------------------


@dataclass
class Web:
    """Addresses of names, and what answers on port 80 of each: this edge, another server, or nobody."""

    names: dict[str, list[str]]
    edges: set[str]
    others: set[str]
    webroot: Path

    def resolve(self, host: str, port: int, **_: Any) -> list[Any]:
        if host not in self.names:
            raise OSError(-2, "Name or service not known")
        return [(0, 0, 0, "", (address, port)) for address in self.names[host]]

    def ask(self, address: str, host: str, name: str) -> str | None:
        if address in self.others:
            return "a page of somebody else's"
        return (self.webroot / name).read_text() if address in self.edges else None


@pytest.fixture
def web(world: World, monkeypatch: pytest.MonkeyPatch) -> Web:
    web = Web({}, {"203.0.113.5", "2001:db8::5"}, {"198.51.100.7"}, world.root / "edge/acme/.well-known/acme-challenge")
    monkeypatch.undo()
    monkeypatch.setattr(world.program.socket, "getaddrinfo", web.resolve)
    monkeypatch.setattr(world.program, "_asks", web.ask)
    return web


@pytest.mark.parametrize(
    ("addresses", "because"),
    [
        (["203.0.113.5"], None),
        (["203.0.113.5", "2001:db8::5"], None),
        (["203.0.113.5", "2001:db8::99"], None),  # an authority tries the other one too
        (["198.51.100.7"], "a.org leads to 198.51.100.7, where another server answers"),
        (["203.0.113.5", "198.51.100.7"], "a.org leads to 198.51.100.7, where another server answers"),
        (["192.0.2.99"], "a.org leads to 192.0.2.99, where nothing answers on port 80"),
        ([], "a.org leads nowhere: Name or service not known"),
    ],
)
def test_a_name_is_asked_for_only_if_it_leads_to_this_edge_on_all_addresses_that_answer(
    world: World, web: Web, addresses: list[str], because: str | None
) -> None:
    web.names = {"a.org": addresses} if addresses else {}
    if because is None:
        world.program.demand_leads_here("a.org")
    else:
        with pytest.raises(world.program.RefusedError) as fault:
            world.program.demand_leads_here("a.org")
        assert str(fault.value) == because
    assert list(web.webroot.iterdir()) == [], "the proof is taken away"


@pytest.mark.parametrize("settings", [{"addresses": ["192.0.2.99"]}])
def test_a_public_address_that_the_server_cannot_reach_itself_is_believed(world: World, web: Web) -> None:
    web.names = {"a.org": ["192.0.2.99"]}
    world.program.demand_leads_here("a.org")


class NoAnswerError(Exception):
    pass


class UnknownNameError(Exception):
    pass


@dataclass(frozen=True)
class Caa:
    tag: bytes
    value: bytes


@pytest.mark.parametrize(
    ("records", "host", "because"),
    [
        ({}, "www.a.org", None),
        ({"a.org": [Caa(b"issue", b"letsencrypt.org")]}, "www.a.org", None),
        ({"a.org": [Caa(b"issue", b"letsencrypt.org; validationmethods=http-01")]}, "www.a.org", None),
        ({"a.org": [Caa(b"issue", b"other.ca")]}, "www.a.org", "of a.org allows other.ca to make"),
        ({"a.org": [Caa(b"issue", b";")]}, "www.a.org", "of a.org allows nobody to make"),
        ({"a.org": [Caa(b"issue", b"other.ca")], "www.a.org": [Caa(b"issue", b"letsencrypt.org")]}, "www.a.org", None),
        ({"a.org": [Caa(b"iodef", b"mailto:it@a.org")]}, "www.a.org", None),
        ({"a.org": [Caa(b"issue", b"letsencrypt.org"), Caa(b"issuewild", b";")]}, "*.a.org", "allows nobody"),
        ({"a.org": [Caa(b"issue", b"letsencrypt.org")]}, "*.a.org", None),
    ],
)
def test_caa_records_of_a_name_or_of_what_is_above_it_are_obeyed(
    world: World, monkeypatch: pytest.MonkeyPatch, records: dict[str, list[Caa]], host: str, because: str | None
) -> None:
    def resolve(name: str, kind: str, **_: float) -> list[Caa]:
        assert kind == "CAA"
        if name not in records:
            raise NoAnswerError
        return records[name]

    resolver, exception = ModuleType("dns.resolver"), ModuleType("dns.exception")
    resolver.resolve, resolver.NoAnswer, resolver.NXDOMAIN = resolve, NoAnswerError, UnknownNameError  # type: ignore[attr-defined]
    exception.DNSException = Exception  # type: ignore[attr-defined]
    package = ModuleType("dns")
    package.resolver, package.exception = resolver, exception  # type: ignore[attr-defined]
    for name, module in (("dns", package), ("dns.resolver", resolver), ("dns.exception", exception)):
        monkeypatch.setitem(sys.modules, name, module)
    if because is None:
        world.program.demand_caa_allows(host, ["letsencrypt.org"])
    else:
        with pytest.raises(world.program.RefusedError, match=because):
            world.program.demand_caa_allows(host, ["letsencrypt.org"])
