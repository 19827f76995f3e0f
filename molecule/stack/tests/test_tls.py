"""What edge_tls promises, with an authority that has its moods: schools get what browsers trust by themselves."""

import http.client
import json
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from authority import ASTRAY, CREDENTIALS, NOWHERE, REFUSED, ZONE, authority
from conftest import SCHOOLS
from journey import ROOT, Journey

TECH = SCHOOLS["tech-school"]["domain"]
CUISINE = SCHOOLS["cuisine-school"]["domain"]
LEDGER = "/srv/schools/tls/ledger.json"


@pytest.fixture(scope="module")
def root(lab: Journey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the file of the authority's root, while it runs."""
    with authority(lab, tmp_path_factory.mktemp("authority")) as file:
        yield file


@pytest.fixture(scope="module")
def secure(lab: Journey, root: Path) -> Callable[..., http.client.HTTPResponse]:
    """Return a way to visit a host as a browser does that trusts the authority; its certificate is on the answer."""
    context = ssl.create_default_context(cafile=str(root))

    def visit(host: str, path: str = "/login") -> http.client.HTTPResponse:
        port = lab.project.platform.edge.public_https_port
        plain = socket.create_connection(("127.0.0.1", port), timeout=60)
        with context.wrap_socket(plain, server_hostname=host) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            answer.read()
            answer.names = sorted(name for _, name in connection.getpeercert()["subjectAltName"])
            answer.serial = connection.getpeercert()["serialNumber"]
            return answer

    return visit


@pytest.fixture(scope="module", autouse=True)
def trusted(lab: Journey, root: Path) -> None:
    """Have both schools trusted before the first test."""
    assert "BEGIN CERTIFICATE" in root.read_text()
    rows = lab.json("certs", "--renew", *SCHOOLS)
    assert {row["slug"]: (row["state"], row["fault"]) for row in rows} == dict.fromkeys(SCHOOLS, ("trusted", None))


@contextmanager
def platform(lab: Journey, **changes: str) -> Iterator[None]:
    """Have the server's program work with other settings for a while."""
    path = "/etc/schools/certs.json"
    before = lab.on_server("cat", path)
    lab.on_server("tee", path, stdin=json.dumps({**json.loads(before), **changes}))
    try:
        yield
    finally:
        lab.on_server("tee", path, stdin=before)


def standing(lab: Journey, slug: str) -> dict:
    return next(row for row in lab.json("certs") if row["slug"] == slug)


def test_visitors_are_sent_to_a_page_that_their_browser_trusts_and_told_to_stay_there(lab, secure):
    page = lab.visit(TECH, "/learn?a=b")
    https = lab.project.platform.edge.public_https_port
    assert (page.status, page.headers["location"]) == (308, f"https://{TECH}:{https}/learn?a=b")

    answer = secure(TECH)
    assert answer.status == 200
    assert answer.headers["strict-transport-security"] == "max-age=63072000"
    assert secure("www.tech-school.com").status == 308


def test_what_is_there_is_not_asked_for_again(lab, secure):
    before = secure(TECH).serial
    lab.on_server("systemctl", "start", "schools-certs.service")
    lab.schoolctl("certs", "--renew")
    assert secure(TECH).serial == before


def test_what_is_fresh_is_replaced_with_its_key_for_who_insists(lab, secure):
    before, others, key = secure(TECH).serial, secure(CUISINE).serial, _public_key(lab)
    [row] = lab.json("certs", "--renew", "--force", "tech-school")
    assert (row["state"], row["fault"]) == ("trusted", None)
    assert secure(TECH).serial != before
    assert secure(CUISINE).serial == others
    assert _public_key(lab) != key


def test_the_server_looks_every_hour_by_itself(lab):
    assert lab.on_server("systemctl", "is-active", "schools-certs.timer").strip() == "active"
    assert lab.on_server("systemctl", "is-enabled", "schools-certs.timer").strip() == "enabled"


def test_a_new_school_is_trusted_by_itself_and_another_domain_joins_it(lab, secure):
    lab.schoolctl("new-school", "art-school", "--domain", "art.org", "--force-dns")
    assert secure("art.org").status == 200
    assert secure("art.org").names == ["art.org"]

    lab.schoolctl("add-domain", "art-school", "www.art.org", "--force-dns")
    assert secure("art.org").names == ["art.org", "www.art.org"]
    assert secure("www.art.org").status == 308

    lab.schoolctl("set-primary", "art-school", "www.art.org", "--force-dns")
    assert secure("www.art.org").status == 200
    lab.schoolctl("remove-domain", "art-school", "art.org")
    assert secure("www.art.org").names == ["www.art.org"]


def test_playbooks_ask_no_authority_and_find_nothing_to_change(lab):
    assert lab.changes_left_for_ansible() == []


@pytest.mark.parametrize(
    ("name", "because"),
    [
        (ASTRAY, f"{ASTRAY} leads to 240.0.0.1, where "),
        (NOWHERE, f"{NOWHERE} leads nowhere"),
    ],
)
def test_a_name_that_does_not_lead_here_is_told_before_anybody_is_asked(lab, secure, name, because):
    before = secure(CUISINE).serial
    done = lab.schoolctl("add-domain", "cuisine-school", name, "--force-dns", timeout=120)
    try:
        assert because in done.stderr
        assert secure(CUISINE).serial == before, "the others of the school are served as before"
        row = standing(lab, "cuisine-school")
        assert (row["state"], row["missing"]) == ("trusted", [name])
        lines = json.loads(lab.on_server("cat", LEDGER))
        assert {line["result"] for line in lines if name in line["names"]} == {"unasked"}
    finally:
        lab.schoolctl("remove-domain", "cuisine-school", name)
    assert standing(lab, "cuisine-school")["fault"] is None


def test_an_authority_that_refuses_a_school_keeps_no_other_from_being_served(lab, secure):
    done = lab.schoolctl("new-school", "refused", "--domain", REFUSED, "--force-dns")
    try:
        assert "warning: browsers do not trust the certificate of `refused`" in done.stderr
        assert lab.visit(REFUSED).status == 200, "it is open, in the open"
        with pytest.raises(ssl.SSLCertVerificationError):
            secure(REFUSED)
        status = lab.run("status")
        assert "`refused` lacks a certificate that browsers trust" in status.stdout
        assert "schoolctl certs --renew refused" in status.stdout
        assert secure(TECH).status == 200
    finally:
        lab.schoolctl("close-school", "refused", "--yes", "--confirm", "refused")
        lab.schoolctl("purge", "refused", "--yes", "--confirm", "refused")
    assert "refused" not in lab.on_server("ls", "/srv/schools/edge/conf/tls", "/srv/schools/edge/live/tls")


def test_while_the_authority_is_down_all_is_served_and_a_new_school_opens(lab, secure):
    with platform(lab, directory="https://127.0.0.1:1/dir"):
        lab.schoolctl("certs", "--renew")
        done = lab.schoolctl("new-school", "down", "--domain", "down.org", "--force-dns")
        assert "does not answer" in done.stderr
        assert lab.visit("down.org").status == 200
        assert secure(TECH).status == 200
    lab.on_server("systemctl", "start", "schools-certs.service")
    assert secure("down.org").status == 200, "the next look gets what was missing"


def test_a_school_may_bring_its_own_and_what_does_not_fit_is_refused(lab, secure, tmp_path):
    def brought(*names: str, days: int = 30) -> Path:
        """Return a bundle that the lab's own little authority vouches for."""
        file = tmp_path / "own.pem"
        alternatives = ",".join(f"DNS:{name}" for name in names)
        argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        argv += ["-subj", f"/CN={names[0]}", "-days", str(days), "-addext", f"subjectAltName={alternatives}"]
        file.write_text(subprocess.run([*argv, "-keyout", "-"], check=True, capture_output=True, text=True).stdout)
        return file

    before = secure(CUISINE).serial
    other = lab.run("set-certificate", "cuisine-school", "--file", str(brought("other.org")))
    assert other.returncode == 5
    assert f"it is for other.org, not for {CUISINE}" in other.stderr
    key, chain = brought(CUISINE).read_text(), brought(CUISINE).read_text()
    (tmp_path / "mixed.pem").write_text(chain.partition("-----BEGIN CERT")[0] + key[key.index("-----BEGIN CERT") :])
    mixed = lab.run("set-certificate", "cuisine-school", "--file", str(tmp_path / "mixed.pem"))
    assert "belongs to none of its certificates" in mixed.stderr
    assert secure(CUISINE).serial == before
    assert "certificate" not in (ROOT / f"inventories/{lab.name}/group_vars/all/schools.yml").read_text()

    done = lab.schoolctl("set-certificate", "cuisine-school", "--file", str(brought(CUISINE)))
    try:
        assert "no authority that the server trusts stands behind it" in done.stderr
        assert secure(CUISINE).serial == before, "what browsers trust stays in force until its end"
        assert "the one before stays in force" in standing(lab, "cuisine-school")["fault"]
        assert lab.changes_left_for_ansible("bench", "schools") == []
    finally:
        lab.schoolctl("set-certificate", "cuisine-school", "--platform")
    assert secure(CUISINE).status == 200


def test_keys_are_read_by_nobody_but_root_and_nginx(lab):
    places = ["/srv/schools/tls", "/srv/schools/edge"]
    found = lab.on_server("grep", "--recursive", "--files-with-matches", "PRIVATE KEY", *places).split()
    assert len(found) > len(SCHOOLS)
    told = lab.on_server("stat", "--format", "%u %a %n", *found).splitlines()
    in_trees = [line for line in told if "/edge/trees/" in line]
    assert {tuple(line.split()[:2]) for line in in_trees} == {("101", "400")}
    assert {tuple(line.split()[:2]) for line in told if line not in in_trees} == {("0", "600")}


def test_schools_below_the_zone_share_a_wildcard_and_a_new_one_asks_nobody(lab, secure):
    inventory = ROOT / "inventories" / lab.name / "group_vars" / "all"
    declared = (inventory / "platform.yml").read_text()
    changed = declared.replace("tls: { ", f"tls: {{ zone: {ZONE}, dns_plugin: rfc2136, ")
    assert changed != declared
    (inventory / "platform.yml").write_text(changed)
    secret = {"edge_tls_dns_credentials": CREDENTIALS, "edge_tls_dns_propagation_seconds": 1}
    (inventory / "dns.yml").write_text(json.dumps(secret))
    resolver = lab.on_server("cat", "/etc/resolv.conf")
    try:
        # The plugin comes from Debian, which is not of this world.
        lab.on_server("tee", "/etc/resolv.conf", stdin=lab.on_server("cat", "/etc/lab-authority/resolv.conf"))
        lab.schoolctl("provision", "--tags", "bench")
        lab.on_server("tee", "/etc/resolv.conf", stdin=resolver)
        lab.schoolctl("new-school", "one", "--domain", f"one.{ZONE}", "--force-dns")
        assert secure(f"one.{ZONE}").names == [f"*.{ZONE}", ZONE]
        ledger = lab.on_server("cat", LEDGER)
        lab.schoolctl("new-school", "two", "--domain", f"two.{ZONE}", "--force-dns")
        assert secure(f"two.{ZONE}").serial == secure(f"one.{ZONE}").serial
        assert lab.on_server("cat", LEDGER) == ledger
    finally:
        lab.on_server("tee", "/etc/resolv.conf", stdin=resolver)
        (inventory / "platform.yml").write_text(declared)
        (inventory / "dns.yml").unlink()


def test_ten_thousand_visitors_pass_through_twenty_five_reloads_and_none_is_turned_away(lab):
    lab.on_server("tee", "/srv/schools/edge/acme/.well-known/acme-challenge/visited", stdin="welcome")
    page = f"https://{TECH}/.well-known/acme-challenge/visited"
    reloads = f"""
        file=/srv/schools/edge/conf/schools/tech-school.conf
        cp $file /tmp/before
        for number in $(seq 25); do
            ab -q -n 400 -c 8 {page} > /tmp/visits 2>&1 &
            sleep 0.05
            echo "# $number" >> $file
            schools-edge-activate || exit 1
            wait
            grep -q '^Complete requests: *400$' /tmp/visits && grep -q '^Failed requests: *0$' /tmp/visits \
                && ! grep -q Non-2xx /tmp/visits || {{ cat /tmp/visits; exit 1; }}
        done
        cat /tmp/before > $file
        schools-edge-activate
    """
    assert lab.on_server("bash", "-c", reloads).split() == ["changed"] * 26


def _public_key(lab: Journey) -> str:
    return lab.on_server("openssl", "x509", "-in", "/srv/schools/edge/live/tls/tech-school.pem", "-noout", "-pubkey")
