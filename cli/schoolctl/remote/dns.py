"""Ask, from where schoolctl runs, whether names lead visitors to this server; nothing is changed by the answer."""

import ipaddress
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from schoolctl.schools.domains import shown

Addresses = frozenset[str]
# What a name leads to: none for a name that does not exist, None when nobody could tell.
Resolver = Callable[[str], Addresses | None]

PATIENCE_S = 3.0

# Nobody asks where these lead: they are never in the DNS (RFC 6761), and people type them to try things.
_NEVER_RESOLVED = (".example", ".test")
_LIST_ADDRESSES = "list platform.edge.public_addresses in platform.yml"
# Only visitors on the same network come this way, so names that lead elsewhere may still lead here.
_INSIDE = ("10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fe80::/10")


class Verdict(Enum):
    """Whether a name leads to this server."""

    OK = "ok"
    ELSEWHERE = "elsewhere"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known of one name; fact and advice: for people, what is so and what to do, empty where all is well."""

    domain: str
    verdict: Verdict
    fact: str = ""
    advice: str = ""

    @property
    def sentence(self) -> str:
        """Both in one."""
        return "; ".join(filter(None, (self.fact, self.advice)))


@dataclass(frozen=True, slots=True)
class OwnAddresses:
    """Where visitors reach the server. declared: by the inventory, so that there are no others."""

    addresses: Addresses
    declared: bool


def resolve(name: str) -> Addresses | None:
    """Return the addresses (A and AAAA) that a name leads to now; takes as long as the system's resolver does."""
    try:
        # As bytes: for text, Python would load the IDNA of 2003.
        found = socket.getaddrinfo(name.encode("ascii"), None, type=socket.SOCK_STREAM)
    except socket.gaierror as fault:
        return frozenset() if fault.errno in {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", None)} else None
    except (OSError, UnicodeError):
        return None
    return frozenset(str(address[0]).partition("%")[0] for *_, address in found)


def check(
    domains: Sequence[str],
    *,
    server: str,
    public_addresses: Sequence[str],
    resolver: Resolver = resolve,
    within: float = PATIENCE_S,
) -> list[Finding]:
    """Return a finding for each name that can be in the DNS; all are looked up at once, for `within` seconds.

    server: its name or address in the inventory. public_addresses: where visitors reach it, if that is another place.
    A server on this machine is a lab, which no DNS leads to: nothing is found.
    """
    asked = {domain: f"{domain}." for domain in domains if not domain.endswith(_NEVER_RESOLVED)}
    address = _address(server)
    if not asked or (not public_addresses and address and _is_this_machine(address)):
        return []
    # The dot keeps search domains and this machine's hosts file out: visitors have neither.
    names = [*asked.values(), *([] if public_addresses or address else [server])]
    answers = look_up(names, resolver, within=within)
    known = frozenset(public_addresses) or (frozenset({address}) if address else answers[server] or frozenset())
    own = OwnAddresses(known, declared=bool(public_addresses))
    if known and not own.declared and all(map(_is_this_machine, known)):
        return []
    return [judge(domain, answers[name], own) for domain, name in asked.items()]


def begin_check(
    domains: Sequence[str], *, server: str, public_addresses: Sequence[str], resolver: Resolver = resolve
) -> Callable[[], list[Finding]]:
    """Begin what `check` does, and return what waits for its findings."""
    findings: Future[list[Finding]] = Future()

    def find() -> None:
        try:
            found = check(domains, server=server, public_addresses=public_addresses, resolver=resolver)
        except BaseException as fault:
            findings.set_exception(fault)
        else:
            findings.set_result(found)

    threading.Thread(target=find, daemon=True).start()
    return findings.result


def look_up(names: Iterable[str], resolver: Resolver, *, within: float) -> dict[str, Addresses | None]:
    """Return what each name leads to, all asked at once; None for those that took longer than `within` seconds."""
    found: dict[str, Addresses | None] = dict.fromkeys(names)
    answers: queue.SimpleQueue[tuple[str, Addresses | None]] = queue.SimpleQueue()

    def ask(name: str) -> None:
        answers.put((name, resolver(name)))

    for name in found:
        # A look-up cannot be stopped; a daemon's does not keep the program from ending.
        threading.Thread(target=ask, args=(name,), daemon=True).start()
    end = time.monotonic() + within
    for _ in range(len(found)):
        try:
            name, addresses = answers.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            break
        found[name] = addresses
    return found


def judge(domain: str, found: Addresses | None, own: OwnAddresses) -> Finding:
    """Compare where one name leads with where the server is; a family of addresses nobody knows of is not compared."""
    here, name = own.addresses, shown(domain)
    if found is None:
        return Finding(domain, Verdict.UNKNOWN, f"where {name} leads could not be found out: no answer from the DNS")
    if found and found <= here:
        return Finding(domain, Verdict.OK)
    inside = not own.declared and all(map(_is_inside, here))
    if not here or inside:
        because = f"only its address inside, {_listed(here)}, is known" if here else "its own address is not known"
        return Finding(
            domain,
            Verdict.UNKNOWN,
            f"{name} leads {_destination(found)}; whether that is this server cannot be told, because {because}",
            _LIST_ADDRESSES,
        )
    ours, strangers = _by_version(here), _by_version(found - here)
    if not own.declared:
        strangers = {version: addresses for version, addresses in strangers.items() if version in ours}
    if strangers or not found:
        return Finding(
            domain,
            Verdict.ELSEWHERE,
            f"{name} leads {_destination(found)}, this server is {_listed(here)}",
            _advice(ours, strangers, arrives=bool(found & here)),
        )
    if found & here:
        return Finding(domain, Verdict.OK)
    return Finding(
        domain,
        Verdict.UNKNOWN,
        f"{name} leads {_destination(found)}, and of this server only {_listed(here)} is known",
        _LIST_ADDRESSES,
    )


Version = Literal[4, 6]
_RECORDS: Mapping[Version, str] = {4: "A", 6: "AAAA"}


def _advice(ours: Mapping[Version, list[str]], strangers: Mapping[Version, list[str]], *, arrives: bool) -> str:
    """Return which records to change. arrives: one of them leads here already."""
    wrong = [version for version in ours if version in strangers] or ([] if arrives else list(ours))
    right = [f"its {_RECORDS[version]} record at {' or '.join(ours[version])}" for version in wrong]
    gone = [f"take its {_RECORDS[version]} record away" for version in strangers if version not in ours]
    return " and ".join([*(["point " + " and ".join(right)] if right else []), *gone])


def _destination(found: Addresses) -> str:
    return f"to {_listed(found)}" if found else "nowhere yet"


def _listed(addresses: Addresses) -> str:
    return ", ".join(address for group in _by_version(addresses).values() for address in group)


def _by_version(addresses: Addresses) -> dict[Version, list[str]]:
    """Return addresses sorted and by the version of the Internet Protocol, which decides the kind of record."""
    kinds: dict[Version, list[str]] = {
        4: sorted(address for address in addresses if ":" not in address),
        6: sorted(address for address in addresses if ":" in address),
    }
    return {version: group for version, group in kinds.items() if group}


def _address(text: str) -> str:
    """Return an address as the resolver would write it; empty for what is a name."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""


def _is_this_machine(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback


def _is_inside(address: str) -> bool:
    return any(ipaddress.ip_address(address) in ipaddress.ip_network(network) for network in _INSIDE)
