#!/usr/bin/env python3
"""Get certificates for the schools, renew them, and tell how they stand.

Usage: schools-certs get [SLUG...]           those named, or all that are due; prints how they stand then
       schools-certs get --force SLUG...     also what is fresh, for a key that may be in other hands
       schools-certs status                  prints how all stand
       schools-certs own SLUG                takes a certificate, its chain and its key (PEM) from stdin, after a look

What a school shall have is in edge/conf/certificates, what it has is in edge/conf/tls: one file with certificate and
key, and beside it a note if browsers trust it. certbot keeps what the authority gave, tls/ledger.json what was asked.
What is wrong with one school is told with it, and never keeps another from its certificate. Killed anywhere, the next
run finishes the work: every file is put in place by one rename. Exit code 1 if a certificate is about to expire.
"""

import argparse
import contextlib
import fcntl
import functools
import http.client
import json
import os
import re
import secrets
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import urllib.request
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

SETTINGS = json.loads(Path(os.environ.get("SCHOOLS_CERTS_SETTINGS", "/etc/schools/certs.json")).read_text())
ROOT = Path(SETTINGS["root"])
STORE = ROOT / "tls"
CONF = ROOT / "edge" / "conf"
WEBROOT = ROOT / "edge" / "acme"
SUFFIXES = Path("/usr/share/publicsuffix/public_suffix_list.dat")
WILDCARD = "_wildcard"  # no school can be called so

ISO = "%Y-%m-%dT%H:%M:%SZ"
ALARM = timedelta(days=14)
# What Let's Encrypt allows; other authorities allow more.
A_WEEK = timedelta(days=7)
CERTIFICATES_A_WEEK = 50  # of one registered domain
SAME_A_WEEK = 5  # with the very same names
FAILURES_AN_HOUR = 5  # for one name
CERTBOT_PATIENCE_S = 300
# Answers that say nothing of the request; certbot repeats a request once, and authorities fail more than that.
STUMBLES = {"badNonce", "serverInternal"}
TRIES = 3
LOOK_PATIENCE_S = 10


_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)


def now():
    """Return the moment, in UTC."""
    return datetime.now(timezone.utc)


def iso(moment):
    """Return a moment as it is printed."""
    return moment.strftime(ISO)


class RefusedError(Exception):
    """Report something that stands in the way of a certificate, in a sentence."""


class Bundle:
    """A certificate with its chain and key, as one PEM text; raises RefusedError where these do not belong together."""

    def __init__(self, text):
        parts = [(match[1], match[0]) for match in _BLOCK.finditer(text)]
        keys = [part for kind, part in parts if kind.endswith("PRIVATE KEY")]
        certificates = [part for kind, part in parts if kind == "CERTIFICATE"]
        if len(keys) != 1 or not certificates:
            raise RefusedError(
                f"it holds {len(keys)} private keys and {len(certificates)} certificates: one key is needed, "
                "and the certificate with its chain"
            )
        try:
            public = _public(load_pem_private_key(keys[0].encode(), None))
        except TypeError:
            raise RefusedError("its private key has a passphrase, which nobody can type when a server starts") from None
        except (ValueError, UnsupportedAlgorithm):
            raise RefusedError("its private key cannot be read") from None
        try:
            read = [(part, x509.load_pem_x509_certificate(part.encode())) for part in certificates]
            own = [pair for pair in read if _public(pair[1].public_key()) == public]
        except (ValueError, UnsupportedAlgorithm):
            raise RefusedError("one of its certificates cannot be read") from None
        if not own:
            raise RefusedError("its private key belongs to none of its certificates")
        self.leaf = own[0][1]
        # The school's own first, as TLS wants it; the others in the order in which they came.
        self.chain = [own[0][0], *(part for part, _ in read if part != own[0][0])]
        self.key = keys[0]

    @property
    def text(self):
        """All of it, the certificate first."""
        return "\n".join([*self.chain, self.key]) + "\n"

    @property
    def names(self):
        """The host names that it is for."""
        try:
            extension = self.leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except x509.ExtensionNotFound:
            return []
        return sorted(name.lower() for name in extension.value.get_values_for_type(x509.DNSName))

    @property
    def begins(self):
        """From when on it is valid."""
        return _utc(self.leaf, "not_valid_before")

    @property
    def expires(self):
        """Until when it is valid."""
        return _utc(self.leaf, "not_valid_after")

    @property
    def renews(self):
        """When the last third of its time begins."""
        return self.expires - (self.expires - self.begins) / 3

    @property
    def issuer(self):
        """Who vouches for it, in a few words."""
        for kind in (x509.NameOID.COMMON_NAME, x509.NameOID.ORGANIZATION_NAME):
            found = self.leaf.issuer.get_attributes_for_oid(kind)
            if found:
                return str(found[0].value)
        return self.leaf.issuer.rfc4514_string()

    @property
    def is_self_signed(self):
        """Whether nobody else vouches for it."""
        return self.leaf.issuer == self.leaf.subject

    def covers(self, host):
        """Say whether it is for this host, by name or by the wildcard one level up."""
        return host in self.names or f"*.{host.partition('.')[2]}" in self.names

    def is_sound_for(self, host):
        """Say whether it is valid now, and for this host."""
        return self.begins <= now() < self.expires and self.covers(host)

    def demand_servable(self):
        """Raise RefusedError if a server would refuse it: one such file would keep every other from its visitors."""
        with tempfile.NamedTemporaryFile("w", dir=STORE) as file:
            file.write(self.text)
            file.flush()
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(file.name)
            except ssl.SSLError as fault:
                because = (fault.reason or str(fault)).replace("_", " ").lower()
                raise RefusedError(f"no server would take it: {because}") from None

    def is_servable(self):
        """Say whether a server would take it."""
        try:
            self.demand_servable()
        except RefusedError:
            return False
        return True

    def is_trusted(self):
        """Say whether an authority that this server trusts, as browsers do, stands behind it."""
        with tempfile.TemporaryDirectory() as folder:
            leaf, chain = Path(folder, "leaf"), Path(folder, "chain")
            leaf.write_text(self.chain[0] + "\n")
            chain.write_text("\n".join(self.chain[1:]) + "\n")
            between = ["-untrusted", str(chain)] if self.chain[1:] else []
            authorities = ["-CAfile", SETTINGS["authorities"], "-purpose", "sslserver"]
            done = run("openssl", "verify", *authorities, *between, str(leaf))
        return done.returncode == 0


def _public(key):
    key = key.public_key() if hasattr(key, "public_key") else key
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _utc(leaf, name):
    # By its older name where Ubuntu 22.04's library knows no other; that one says nothing of a zone.
    moment = getattr(leaf, f"{name}_utc", None)
    return moment if moment is not None else getattr(leaf, name).replace(tzinfo=timezone.utc)


def bundle_at(*paths):
    """Return what is in these files together, or None where there is nothing of use."""
    try:
        return Bundle("".join(path.read_text() for path in paths))
    except (OSError, RefusedError):
        return None


def run(*argv, timeout=60):
    """Run a program to its end."""
    return subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False, stdin=subprocess.DEVNULL)


# The backups' program has the same function in its `files`: each is installed by a role of its own, and has to work on
# a server that lacks the other, or has it as it was before.
def put(path, text, mode=0o600):
    """Put a file in place by one rename, with its content on the disk."""
    beside = path.with_name(f".{path.name}.new")
    with contextlib.suppress(FileNotFoundError):
        beside.unlink()
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as output:
        output.write(text)
        output.flush()
        os.fsync(output.fileno())
    beside.replace(path)


class School:
    """A school as the edge knows it: the names that it answers to, and where its certificate shall come from."""

    def __init__(self, path):
        declared = json.loads(path.read_text())
        self.slug = path.stem
        self.domain = declared["domain"]
        self.hosts = [declared["domain"], *declared["aliases"]]
        self.way = declared["certificate"]
        self.in_force = CONF / "tls" / f"{self.slug}.pem"
        self.note = CONF / "tls" / f"{self.slug}.map"
        if self.way == "acme" and SETTINGS["zone"] and all(_below(host, SETTINGS["zone"]) for host in self.hosts):
            self.way = "wildcard"

    @property
    def lineage(self):
        """The name by which certbot keeps its certificate."""
        return WILDCARD if self.way == "wildcard" else self.slug

    @property
    def names_to_ask_for(self):
        """The names that the authority is asked for, the most important first."""
        return [SETTINGS["zone"], f"*.{SETTINGS['zone']}"] if self.way == "wildcard" else self.hosts

    def fresh_names(self):
        """Return the names of what this authority gave, while it need not be renewed; none else."""
        there = self.wanted()
        is_fresh = there is not None and now() < there.renews and is_of_this_authority(self.lineage)
        return set(there.names) if is_fresh else set()

    def is_served(self):
        """Say whether what the authority gave is fresh, and for these names and no others."""
        return self.fresh_names() == set(self.names_to_ask_for)

    def wanted(self):
        """Return what is there of the certificate that it shall have, sound or not."""
        if self.way == "own":
            return bundle_at(STORE / "own" / f"{self.slug}.pem")
        return lineage_bundle(self.lineage) if self.way in ("acme", "wildcard") else None


def _below(host, zone):
    return host.partition(".")[2] == zone


def schools():
    """Return every school that the edge knows, by slug."""
    found = {}
    for path in sorted((CONF / "certificates").glob("*.json")):
        with contextlib.suppress(FileNotFoundError):  # gone meanwhile
            found[path.stem] = School(path)
    return found


def lineage_bundle(name):
    """Return what certbot keeps by a name, or None."""
    folder = STORE / "certbot" / "config" / "live" / name
    return bundle_at(folder / "fullchain.pem", folder / "privkey.pem")


def is_of_this_authority(name):
    """Say whether certbot got what it keeps by a name from the authority that is declared now."""
    try:
        text = (STORE / "certbot" / "config" / "renewal" / f"{name}.conf").read_text()
    except OSError:
        return False
    return re.search(rf"^server = {re.escape(SETTINGS['directory'])}$", text, re.MULTILINE) is not None


class Ledger:
    """What was asked of the authority lately: lines with at, lineage, names, result and because."""

    def __init__(self):
        self.path = STORE / "ledger.json"
        try:
            kept = json.loads(self.path.read_text())
        except (OSError, ValueError):
            kept = []
        # What another authority said and gave is nothing to this one.
        self.lines = [line for line in kept if line.get("directory") == SETTINGS["directory"]]

    def add(self, lineage, names, result, because=""):
        """Write down one attempt. result: got, refused (by the authority) or unasked."""
        week = iso(now() - A_WEEK)
        lines = [line for line in self.lines if line["at"] >= week]
        # Of what was never asked the last is enough: it comes again every hour.
        lines = [line for line in lines if line["result"] != "unasked" or line["lineage"] != lineage]
        entry = {"at": iso(now()), "lineage": lineage, "names": sorted(names), "result": result, "because": because}
        entry["directory"] = SETTINGS["directory"]
        self.lines = [*lines, entry]
        put(self.path, json.dumps(self.lines, indent=1) + "\n")

    def last_fault(self, lineage):
        """Return the last line of a lineage if it tells of a failure."""
        mine = [line for line in self.lines if line["lineage"] == lineage]
        return mine[-1] if mine and mine[-1]["result"] != "got" else None

    def patient_until(self, lineage):
        """Return until when the authority is left alone after refusals in a row: an hour, two, four, up to a day."""
        refusals = []
        for line in reversed([line for line in self.lines if line["lineage"] == lineage]):
            if line["result"] == "got":
                break
            if line["result"] == "refused":
                refusals.append(datetime.strptime(line["at"], ISO).replace(tzinfo=timezone.utc))
        return refusals[0] + timedelta(hours=min(24, 2 ** (len(refusals) - 1))) if refusals else None

    def left(self, host):
        """Return how many certificates this week still has for the registered domain of a host."""
        domain = registered(host)
        got = [line for line in self.lines if line["result"] == "got" and line["at"] >= iso(now() - A_WEEK)]
        return CERTIFICATES_A_WEEK - sum(any(registered(name) == domain for name in line["names"]) for line in got)

    def demand_budget(self, names):
        """Raise RefusedError if the authority would refuse these names for having been asked too often."""
        week, hour = iso(now() - A_WEEK), iso(now() - timedelta(hours=1))
        same = [line for line in self.lines if line["result"] == "got" and line["names"] == sorted(names)]
        if len([line for line in same if line["at"] >= week]) >= SAME_A_WEEK:
            raise RefusedError(
                f"{SAME_A_WEEK} certificates for the very same names were made within a week; more are not allowed"
            )
        for name in names:
            if self.left(name) <= 0:
                raise RefusedError(
                    f"{CERTIFICATES_A_WEEK} certificates for {registered(name)} were made within a week; no more "
                    "are allowed: a wildcard certificate would do for all of them"
                )
            failed = [line for line in self.lines if line["result"] == "refused" and name in line["names"]]
            if len([line for line in failed if line["at"] >= hour]) >= FAILURES_AN_HOUR:
                raise RefusedError(
                    f"{name} was refused {FAILURES_AN_HOUR} times within an hour; no more tries are allowed"
                )


def registered(host):
    """Return the domain under which a host's limits are counted: one label more than its public suffix."""
    labels = host.lstrip("*.").split(".")
    rules = suffixes()
    for start in range(len(labels)):
        rest = ".".join(labels[start:])
        if f"!{rest}" in rules:
            return rest
        if rest in rules or f"*.{'.'.join(labels[start + 1 :])}" in rules:
            return ".".join(labels[max(0, start - 1) :])
    return ".".join(labels[-2:])


@functools.cache
def suffixes():
    """Return the rules of the public suffix list."""
    try:
        lines = SUFFIXES.read_text(encoding="utf-8").splitlines()
    except OSError:
        return set()
    return {line.split()[0] for line in lines if line.strip() and not line.startswith("//")}


# --- before an authority is asked ------------------------------------------------------------------------------------


def demand_leads_here(host):
    """Raise RefusedError unless a visitor of http://HOST/ from this server ends at this server's edge."""
    token = secrets.token_urlsafe(24)
    proof = WEBROOT / ".well-known" / "acme-challenge" / f"schoolctl-{token}"
    try:
        addresses = sorted({found[4][0] for found in socket.getaddrinfo(host, 80, type=socket.SOCK_STREAM)})
    except (OSError, UnicodeError) as fault:
        raise RefusedError(f"{host} leads nowhere: {getattr(fault, 'strerror', None) or fault}") from None
    proof.write_text(token)
    proof.chmod(0o644)
    try:
        heard = {address: _asks(address, host, proof.name) for address in addresses}
    finally:
        proof.unlink()
    declared = SETTINGS["addresses"]
    astray = [at for at, said in heard.items() if said not in (None, token) and at not in declared]
    if astray:
        raise RefusedError(f"{host} leads to {', '.join(astray)}, where another server answers")
    if token not in heard.values() and not set(addresses) <= set(declared):
        raise RefusedError(f"{host} leads to {', '.join(addresses)}, where nothing answers on port 80")


def _asks(address, host, name):
    """Return what a visitor gets, or None where nobody answers; who answers byte by byte is left alone."""
    connection = http.client.HTTPConnection(address, 80, timeout=LOOK_PATIENCE_S)
    try:
        connection.connect()
        end = threading.Timer(LOOK_PATIENCE_S, connection.sock.shutdown, [socket.SHUT_RDWR])
        end.start()
        try:
            connection.request("GET", f"/.well-known/acme-challenge/{name}", headers={"Host": host})
            answer = connection.getresponse()
            return answer.read(1000).decode(errors="replace") if answer.status == 200 else ""
        finally:
            end.cancel()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def authority():
    """Return what the authority calls itself in CAA records; raises RefusedError when it does not answer."""
    url = SETTINGS["directory"]
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:  # noqa: S310 - platform.yml has https alone
            directory = json.load(answer)
    except (OSError, ValueError, http.client.HTTPException) as fault:
        because = getattr(fault, "reason", None) or fault
        raise RefusedError(f"the authority at {urlsplit(url).netloc} does not answer: {because}") from None
    meta = directory.get("meta") if isinstance(directory, dict) else None
    return [str(name).lower() for name in (meta or {}).get("caaIdentities") or []]


def demand_caa_allows(host, identities):
    """Raise RefusedError if the DNS of a host allows other authorities alone."""
    if not identities:
        return
    import dns.exception
    import dns.resolver

    tag = b"issuewild" if host.startswith("*.") else b"issue"
    labels = host.lstrip("*.").split(".")
    for start in range(len(labels) - 1):
        name = ".".join(labels[start:])
        try:
            records = list(dns.resolver.resolve(name, "CAA", lifetime=5))
        except (dns.resolver.NoAnswer, dns.resolver.NXDOMAIN):
            continue
        except dns.exception.DNSException:
            return  # the authority will see for itself
        mine = [record for record in records if record.tag.lower() == tag] or [
            record for record in records if record.tag.lower() == b"issue"
        ]
        allowed = [record.value.decode(errors="replace").partition(";")[0].strip().lower() for record in mine]
        if mine and not set(allowed) & set(identities):
            said = ", ".join(filter(None, allowed)) or "nobody"
            raise RefusedError(
                f"the CAA record of {name} allows {said} to make certificates, not {', '.join(identities)}"
            )
        return


# --- getting and placing ---------------------------------------------------------------------------------------------


class Office:
    """One run: what was asked of the authority once, and which lineages were seen to."""

    def __init__(self, urgent, forced=()):
        self.ledger = Ledger()
        self.urgent = urgent  # somebody waits for it, so patience after refusals is set aside
        self.forced = forced  # lineages to replace, however fresh
        self.seen_to = set()
        self.faults = {}  # why a lineage was not got in this run

    @functools.cached_property
    def answer(self):
        """What the authority calls itself, or why it does not answer: it is asked once."""
        try:
            return authority(), ""
        except RefusedError as fault:
            return [], str(fault)

    def see_to(self, school):
        """Get what a school lacks from the authority, if it may be asked."""
        lineage, wanted = school.lineage, school.names_to_ask_for
        is_forced = lineage in self.forced
        if school.way not in ("acme", "wildcard") or lineage in self.seen_to or (school.is_served() and not is_forced):
            return
        self.seen_to.add(lineage)
        patient = self.ledger.patient_until(lineage)
        if not self.urgent and patient and now() < patient:
            return
        try:
            names, faults = self.possible(school)
            fresh = school.fresh_names()
            # What is fresh and covers as much is not given up for a name that is led astray today.
            if fresh and set(names) <= fresh <= set(wanted) and not (is_forced and set(names) == fresh):
                raise RefusedError("; ".join(faults))
            self.ledger.demand_budget(names)
        except RefusedError as fault:
            self.faults[lineage] = str(fault)
            self.ledger.add(lineage, wanted, "unasked", str(fault))
            return
        fault = certbot(lineage, names, by_dns=school.way == "wildcard")
        if fault:
            self.faults[lineage] = fault
            self.ledger.add(lineage, names, "refused", fault)
            return
        self.ledger.add(lineage, names, "got")
        if faults:
            self.ledger.add(lineage, wanted, "unasked", "; ".join(faults))

    def possible(self, school):
        """Return the names that the authority can be asked for, and what stands in the way of the others.

        Raises RefusedError where the canonical name is among the others: without it a certificate is of no use.
        """
        identities, silence = self.answer
        if silence:
            raise RefusedError(silence)
        obstacles = {name: self.obstacle(name, school, identities) for name in school.names_to_ask_for}
        names, faults = [name for name in obstacles if not obstacles[name]], [*filter(None, obstacles.values())]
        if school.names_to_ask_for[0] not in names or (faults and school.way == "wildcard"):
            raise RefusedError("; ".join(faults))
        return names, faults

    def obstacle(self, name, school, identities):
        """Return why the authority need not be asked for a name, or nothing."""
        try:
            if school.way == "acme":
                demand_leads_here(name)
            demand_caa_allows(name, identities)
        except RefusedError as fault:
            return str(fault)
        return ""


def certbot(lineage, names, *, by_dns):
    """Let certbot get a certificate; return why not, or nothing."""
    folder = STORE / "certbot"
    if lineage_bundle(lineage) is None:
        # What a run left that was killed: certbot would keep the next one by another name.
        for part in ("archive", "live"):
            shutil.rmtree(folder / "config" / part / lineage, ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):
            (folder / "config" / "renewal" / f"{lineage}.conf").unlink()
    email = ["--email", SETTINGS["email"]] if SETTINGS["email"] else ["--register-unsafely-without-email"]
    if by_dns:
        plugin = f"--dns-{SETTINGS['dns_plugin']}"
        way = [plugin, f"{plugin}-credentials", str(STORE / "dns.ini")]
        if SETTINGS["dns_propagation_seconds"]:
            way += [f"{plugin}-propagation-seconds", str(SETTINGS["dns_propagation_seconds"])]
    else:
        way = ["--webroot", "--webroot-path", str(WEBROOT)]
    argv = [
        *("certbot", "certonly", "--non-interactive", "--agree-tos", *email, *way, "--server", SETTINGS["directory"]),
        *(
            "--config-dir",
            str(folder / "config"),
            "--work-dir",
            str(folder / "work"),
            "--logs-dir",
            str(folder / "logs"),
        ),
        *("--key-type", "ecdsa", "--elliptic-curve", "secp256r1", "--force-renewal", "--no-directory-hooks"),
        *("--cert-name", lineage, "--domain", ",".join(names)),
    ]
    log = folder / "logs" / "letsencrypt.log"
    for _ in range(TRIES):
        known = log.stat().st_size if log.exists() else 0
        try:
            done = run(*argv, timeout=CERTBOT_PATIENCE_S)
        except subprocess.TimeoutExpired:
            return f"certbot was not done after {CERTBOT_PATIENCE_S} s"
        except OSError as fault:
            return f"certbot cannot be run: {fault.strerror}"
        if done.returncode == 0 or last_answer(log, known) not in STUMBLES:
            break
    if done.returncode == 0:
        return "" if lineage_bundle(lineage) else "certbot says that it got one, and keeps none"
    said = [line.strip() for line in (done.stdout + done.stderr).splitlines()]
    details = [line.partition("Detail:")[2].strip() for line in said if line.startswith("Detail:")]
    told = [line for line in said if line and not line.startswith(("Saving debug log", "Ask for help", "- - "))]
    return "; ".join(details) or " ".join(told[-3:]) or f"certbot exited with {done.returncode}"


def last_answer(log, known):
    """Return the kind of the last error that the authority answered with, read from certbot's log after `known` bytes.

    The kinds are those of RFC 8555, section 6.7; nothing where there is none.
    """
    try:
        with log.open("rb") as file:
            # A log that was begun anew is shorter than it was.
            file.seek(known if known <= log.stat().st_size else 0)
            kinds = re.findall(rb"urn:ietf:params:acme:error:([A-Za-z]+)", file.read())
    except OSError:
        return ""
    return kinds[-1].decode() if kinds else ""


def place(school):
    """Bring the best certificate of a school to where the edge takes it from, noting under which names it is trusted.

    What is in force stays while it is trusted: an old one for its time is better than one that nobody vouches for.
    """
    current = bundle_at(school.in_force)
    if current and school.way == "self-signed" and not current.is_self_signed:
        current = None
    sound = [one for one in (school.wanted(), current) if one and one.is_sound_for(school.domain) and one.is_servable()]
    trusted = [one for one in sound if one.is_trusted()]
    best = next(iter(trusted + sound), None)
    if best is None or not trusted:
        # Before the certificate goes: nobody is sent to what browsers do not trust.
        with contextlib.suppress(FileNotFoundError):
            school.note.unlink()
    if best is None:
        # The edge's own program makes one that is signed by itself.
        with contextlib.suppress(FileNotFoundError):
            school.in_force.unlink()
        return
    if current is None or best.text != current.text:
        put(school.in_force, best.text)
    if trusted:
        note = "".join(f'"{school.slug} {host}" 1;\n' for host in school.hosts if best.covers(host))
        if not school.note.exists() or school.note.read_text() != note:
            put(school.note, note, 0o644)


def forget(known):
    """Drop what is kept of schools that the edge knows no more."""
    config = STORE / "certbot" / "config"
    for path in (config / "renewal").glob("*.conf"):
        if path.stem not in known and path.stem != WILDCARD:
            run(
                "certbot",
                "delete",
                "--non-interactive",
                "--config-dir",
                str(config),
                "--cert-name",
                path.stem,
                "--work-dir",
                str(STORE / "certbot" / "work"),
                "--logs-dir",
                str(STORE / "certbot" / "logs"),
            )
    for path in (STORE / "own").glob("*.pem"):
        if path.stem not in known or known[path.stem].way != "own":
            path.unlink()
    for path in (WEBROOT / ".well-known" / "acme-challenge").glob("schoolctl-*"):
        path.unlink()  # proofs of a run that was killed


def standing(school, ledger):
    """Return how the certificate of a school stands."""
    current = bundle_at(school.in_force)
    trusted = school.note.exists()
    asks = school.way in ("acme", "wildcard") and not school.is_served()
    fault = ledger.last_fault(school.lineage) if asks else None
    because = fault["because"] if fault else None
    if school.way == "own":
        own = school.wanted()
        if own is None:
            because = "its own certificate is not on the server"
        elif not own.is_sound_for(school.domain):
            because = (
                f"its own certificate expired on {iso(own.expires)[:10]}"
                if now() >= own.expires
                else f"its own certificate is not for {school.domain}"
            )
    if not because and not trusted and current is not None and not current.is_self_signed:
        because = "no authority that this server trusts stands behind it"
    if school.way == "own" and trusted and not because and own.text != current.text:
        because = "no authority that this server trusts stands behind its own; the one before stays in force"
    # Also after its end: who was told to come by https alone cannot come back.
    relied_on = current if trusted else school.wanted()
    at_risk = relied_on is not None and relied_on.expires - now() < ALARM
    if at_risk and not because:
        because = f"it expires on {iso(relied_on.expires)[:10]}"
    patient = ledger.patient_until(school.lineage)
    return {
        "slug": school.slug,
        "domain": school.domain,
        "way": school.way,
        "state": "trusted" if trusted else "self-signed" if current is None or current.is_self_signed else "untrusted",
        "issuer": current.issuer if current else None,
        "expires": iso(current.expires) if current else None,
        "renews": iso(current.renews) if current and school.way in ("acme", "wildcard") and trusted else None,
        "missing": [host for host in school.hosts if current is None or not current.covers(host)] if trusted else [],
        "alarm": at_risk,
        "ends": iso(relied_on.expires) if at_risk else None,
        "fault": because,
        "retry": iso(patient) if fault and patient and patient > now() else None,
        "budget": ledger.left(school.domain) if school.way == "acme" else None,
    }


def standings(chosen):
    """Return how they all stand."""
    ledger = Ledger()
    return [standing(school, ledger) for school in chosen]


def serve(school, office):
    """See to one school, whatever becomes of it: the others are not to wait for it."""
    try:
        office.see_to(school)
        place(school)
    except Exception as fault:
        office.faults[school.lineage] = str(fault)
        print(f"schools-certs: {school.slug}: {type(fault).__name__}: {fault}", file=sys.stderr)


def get(slugs, *, force=False):
    """See to the schools named, or all; return how they stand then.

    force: replace what is fresh, too; raises RefusedError in the end where that could not be done.
    """
    known = schools()
    for slug in slugs:
        if slug not in known:
            raise RefusedError(f"the edge knows no school {slug}")
        if force and known[slug].way not in ("acme", "wildcard"):
            raise RefusedError(f"{slug} has no certificate that an authority would replace: it is {known[slug].way}")
    chosen = [known[slug] for slug in slugs] or list(known.values())
    forced = {school.lineage for school in chosen} if force else set()
    if force:
        # Whoever shares the key must let go of it, too.
        chosen = [one for one in known.values() if one.way in ("acme", "wildcard") and one.lineage in forced]
    office = Office(urgent=bool(slugs), forced=forced)
    for school in chosen:
        serve(school, office)
    if not slugs:
        forget(known)
    try:
        done = run(SETTINGS["activate"], timeout=120)
    except subprocess.TimeoutExpired:
        raise RefusedError("the edge did not follow within two minutes") from None
    if done.returncode:
        raise RefusedError(f"the edge did not follow: {done.stderr.strip()}")
    report = standings(chosen)
    put(STORE / "standing.json", json.dumps(standings(known.values())) + "\n")
    kept = [f"{school.slug}: {office.faults[school.lineage]}" for school in chosen if school.lineage in office.faults]
    if force and kept:
        raise RefusedError(f"not replaced, and in force as before: {'; '.join(kept)}")
    return report


def take_own(slug):
    """Keep a certificate that a school brings, from stdin, if it is of use for its domain."""
    known = schools()
    if slug not in known:
        raise RefusedError(f"the edge knows no school {slug}")
    bundle, domain = Bundle(sys.stdin.read(1_000_000)), known[slug].domain
    if now() >= bundle.expires:
        raise RefusedError(f"it expired on {iso(bundle.expires)[:10]}")
    if now() < bundle.begins:
        raise RefusedError(f"it is valid from {iso(bundle.begins)[:10]} on, not before")
    if not bundle.covers(domain):
        raise RefusedError(f"it is for {', '.join(bundle.names) or 'no host name'}, not for {domain}")
    bundle.demand_servable()
    put(STORE / "own" / f"{slug}.pem", bundle.text)
    return {
        "slug": slug,
        "names": bundle.names,
        "issuer": bundle.issuer,
        "expires": iso(bundle.expires),
        "trusted": bundle.is_trusted(),
        "missing": [host for host in known[slug].hosts if not bundle.covers(host)],
    }


def main():
    """Do as the arguments say, one run at a time."""
    parser = argparse.ArgumentParser(description="Get certificates for the schools, and tell how they stand.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    getting = verbs.add_parser("get")
    getting.add_argument("slugs", nargs="*", metavar="SLUG")
    getting.add_argument("--force", action="store_true")
    verbs.add_parser("status")
    verbs.add_parser("own").add_argument("slug", metavar="SLUG")
    arguments = parser.parse_args()
    if arguments.verb == "get" and arguments.force and not arguments.slugs:
        parser.error("--force is for schools that are named")
    try:
        if arguments.verb == "status":
            print(json.dumps(standings(schools().values())))
            return
        with (STORE / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if arguments.verb == "own":
                print(json.dumps(take_own(arguments.slug)))
                return
            report = get(arguments.slugs, force=arguments.force)
    except RefusedError as fault:
        sys.exit(f"schools-certs: {fault}")
    print(json.dumps(report))
    alarms = [row for row in report if row["alarm"]]
    if alarms and not arguments.slugs:
        said = [f"{row['slug']}: expires {row['expires']}, {row['fault']}" for row in alarms]
        sys.exit("schools-certs: certificates are about to expire\n" + "\n".join(said))


if __name__ == "__main__":
    main()
