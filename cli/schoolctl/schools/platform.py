"""The platform: what every school of one server shares, checked and with its defaults filled in."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from schoolctl.schools import checks
from schoolctl.schools.backups import Backups
from schoolctl.schools.yaml_file import read_mapping

FILE_NAME = "platform.yml"

# The bench image's own user, and the group by which the edge reads public files: platform and image agree on it.
FRAPPE_UID = 11000

# The most that Frappe takes at once where a site says nothing, and that the edge lets through to where it may be more.
FRAPPE_BODY_MB, MAX_BODY_MB = 25, 50

# What runs on every server, by the names that the stack's template gives.
CONTAINERS = tuple(
    f"schools-{service}"
    for service in (
        "db", "cache", "queue", "web", "realtime", "worker-short", "worker-long", "scheduler", "tools", "edge",
    )
)  # fmt: skip

# How many loaded databases may stand ready for each of the most common locales; each takes some 90 MB of the disk.
POOL_SIZES = range(101)

# What other whole numbers than ports may be.
_RANGES = {
    "pool_size": POOL_SIZES,
    "guest_cache_seconds": range(61),
    "logins_per_minute_of_address": range(10_001),
    "logins_per_minute_of_school": range(10_001),
    "requests_at_once_of_address": range(10_001),
    "requests_at_once_of_school": range(10_001),
    "sockets_at_once_of_address": range(10_001),
    "sockets_at_once_of_school": range(10_001),
}

# Where a lab's server has the checkout's own app (molecule/shared), and no other server has anything.
LAB_APP = "/var/lib/schools-lab/lms_app"

# Two folders deep, and of characters that no template has to quote.
_ROOT = re.compile(r"(/[A-Za-z0-9][A-Za-z0-9._-]*){2,}")


# These get into files that other programs read, such as sudoers and compose.yml: nothing there that needs quotes.
_FORMS = (
    ("deploy_user", re.compile(r"[a-z_][a-z0-9_-]{0,31}"), "is no user name"),
    ("bootstrap_user", re.compile(r"[a-z_][a-z0-9_-]{0,31}"), "is no user name"),
    ("timezone", re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}"), "is no time zone such as Europe/Paris"),
    ("release", re.compile(r"version-[0-9]{2}"), "is no release line such as version-15"),
    ("reboot_window", re.compile(r"(([01][0-9]|2[0-3]):[0-5][0-9])?"), 'is no time of day such as "03:30", nor empty'),
)
# How schools get their certificates, unless they bring one.
CERTIFICATES = ("acme", "self-signed")
_DIRECTORY = re.compile(r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?")
_PLUGIN = re.compile(r"[a-z][a-z0-9]{1,30}")
_APP = re.compile(r"[a-z][a-z0-9_]{0,60}")
_BRANCH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/-]*")


@dataclass(frozen=True, slots=True)
class Edge:
    """The ports of the server, what visitors use when something stands in front of it, and how much each may ask.

    ipv6: whether visitors come in over IPv6 too; False where the server's kernel has none. public_addresses: where
    their DNS leads them; none means the address of hosts.yml. trusted_proxies: the networks whose word on a visitor's
    address is taken.
    """

    http_port: int = 80
    https_port: int = 443
    ipv6: bool = True
    public_http_port: int = 80
    public_https_port: int = 443
    public_addresses: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    guest_cache_seconds: int = 5
    logins_per_minute_of_address: int = 60
    logins_per_minute_of_school: int = 300
    requests_at_once_of_address: int = 300
    requests_at_once_of_school: int = 600
    sockets_at_once_of_address: int = 500
    sockets_at_once_of_school: int = 2000


@dataclass(frozen=True, slots=True)
class Tls:
    """Where the schools' certificates come from.

    certificates: `acme` asks the authority at `directory`; `self-signed` asks nobody, and schools are reached by http.
    email: whom the authority writes to. zone: its names directly below share one wildcard certificate, proven by DNS
    through certbot's plugin `dns_plugin`.
    """

    certificates: str = "acme"
    directory: str = "https://acme-v02.api.letsencrypt.org/directory"
    email: str = ""
    zone: str = ""
    dns_plugin: str = ""


@dataclass(frozen=True, slots=True)
class App:
    """One Frappe app and where its source is."""

    name: str
    url: str
    branch: str


@dataclass(frozen=True, slots=True)
class Images:
    """The images of the services, each overridable by its full name."""

    debian: str = "debian:bookworm-slim"
    mariadb: str = "mariadb:10.11.19"
    redis: str = "redis:7.4.11"
    nginx: str = "nginx:1.28.0"
    restic: str = "restic/restic:0.18.0"


@dataclass(frozen=True, slots=True)
class ImageArchive:
    """An image that lies on the server as an archive, for hosts that reach no registry."""

    name: str
    path: str


@dataclass(frozen=True, slots=True)
class Platform:
    """The settings of one server; the comments in inventories/example say what each one means.

    lms_app_source: in a lab alone, the folder from which the bench runs lms_app instead of its image's copy, for
    developing it: what is saved there is served, tests may run, and Frappe's developer mode may write there.
    """

    root: str = "/srv/schools"
    timezone: str = "Etc/UTC"
    deploy_user: str = "deploy"
    deploy_keys: tuple[str, ...] = ()
    bootstrap_user: str = "root"
    docker_packages: str = "official"
    compose_packages_from: str = ""
    release: str = "version-15"
    apps: tuple[App, ...] = ()
    accept_vulnerable_versions: Mapping[str, str] = field(default_factory=dict)
    bench_image: str = ""
    lms_app_source: str = ""
    images: Images = field(default_factory=Images)
    image_archives: tuple[ImageArchive, ...] = ()
    extra_ca_file: str = ""
    contact: str = ""
    reboot_window: str = ""
    never_ban: tuple[str, ...] = ()
    egress_allow: tuple[str, ...] = ()
    pool_size: int = 2
    edge: Edge = field(default_factory=Edge)
    tls: Tls = field(default_factory=Tls)
    backups: Backups = field(default_factory=Backups)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "Platform":
        """Check the mapping under `platform`; raises DeclarationError with the path of the first fault."""
        where = f"{FILE_NAME}: platform"
        platform: Platform = _build(cls, where, values)
        if not _ROOT.fullmatch(platform.root):
            raise checks.wrong(
                f"{where}.root",
                "must be a folder of its own such as /srv/schools, of letters, digits, `.`, `_` and `-`",
            )
        for name, form, words in _FORMS:
            if not form.fullmatch(getattr(platform, name)):
                raise checks.wrong(f"{where}.{name}", f"{getattr(platform, name)!r} {words}")
        if platform.deploy_user == "root":
            raise checks.wrong(f"{where}.deploy_user", "must be a user of its own: root logins are switched off")
        for number, app in enumerate(platform.apps):
            place = f"{where}.apps[{number}]"
            if not _APP.fullmatch(app.name):
                raise checks.wrong(f"{place}.name", f"{app.name!r} is no name of a Frappe app, such as erpnext")
            if not _BRANCH.fullmatch(app.branch) or ".." in app.branch:
                raise checks.wrong(f"{place}.branch", f"{app.branch!r} is no name of a branch")
            if app.url.startswith("-") or re.search(r"\s|^https?://[^/]*@", app.url):
                raise checks.wrong(
                    f"{place}.url", "must be the address of a git repository, without a password or token in it"
                )
        if platform.docker_packages not in {"official", "distribution"}:
            raise checks.wrong(f"{where}.docker_packages", "must be `official` or `distribution`")
        if platform.lms_app_source not in {"", LAB_APP}:
            raise checks.wrong(
                f"{where}.lms_app_source",
                f"is for labs alone, where it is {LAB_APP}: real schools run the lms_app of their image",
                hint="`make dev` makes a lab for developing it",
            )
        _check_tls(f"{where}.tls", platform.tls)
        if not platform.bench_image and not platform.apps:
            raise checks.wrong(f"{where}.apps", "names no app to build the image from, and bench_image is empty")
        return platform


def _check_tls(where: str, tls: Tls) -> None:
    if tls.certificates not in CERTIFICATES:
        raise checks.wrong(f"{where}.certificates", f"must be {' or '.join(f'`{way}`' for way in CERTIFICATES)}")
    if not _DIRECTORY.fullmatch(tls.directory):
        raise checks.wrong(f"{where}.directory", "must be the https address of an ACME directory, without a password")
    for name, check in (("email", checks.email), ("zone", checks.domain)):
        if value := getattr(tls, name):
            try:
                check(value)
            except checks.InvalidValueError as fault:
                raise checks.wrong(f"{where}.{name}", f"{value!r} {fault}") from None
    if bool(tls.zone) != bool(tls.dns_plugin):
        raise checks.wrong(where, "needs both `zone` and `dns_plugin` for a wildcard certificate, or neither")
    if tls.dns_plugin and not _PLUGIN.fullmatch(tls.dns_plugin):
        raise checks.wrong(f"{where}.dns_plugin", f"{tls.dns_plugin!r} is no plugin of certbot's, such as rfc2136")
    if tls.dns_plugin == "route53":
        raise checks.wrong(f"{where}.dns_plugin", "cannot be `route53`: it reads no file of credentials")


def load(path: Path) -> Platform:
    """Return the platform of an inventory; raises DeclarationError with the path of the first fault."""
    return Platform.from_mapping(read_mapping(path, "platform"))


@dataclass(frozen=True, slots=True)
class Sizing:
    """Memory in MB and worker counts for each service, derived from what the server has.

    Limits are ceilings, not reservations; together they may exceed the memory that the server has.
    """

    db_mb: int
    buffer_pool_mb: int
    max_connections: int
    cache_mb: int
    cache_maxmemory_mb: int
    queue_mb: int
    web_mb: int
    web_workers: int
    web_threads: int
    worker_mb: int
    realtime_mb: int
    scheduler_mb: int
    edge_mb: int
    tools_mb: int

    @classmethod
    def of(cls, memory_mb: int, cores: int) -> "Sizing":
        """Derive the sizes for a server with this much memory (MB) and this many cores."""
        db = _between(512, memory_mb * 40 // 100, 32768)
        cache = _between(96, memory_mb * 6 // 100, 2048)
        web = _between(640, memory_mb * 30 // 100, 16384)
        # One worker of Frappe with ERPNext grows to about 220 MB; with --preload they share the first 120.
        workers = _between(2, min(2 * cores + 1, web // 220), 17)
        threads = 4
        return cls(
            db_mb=db,
            buffer_pool_mb=db * 60 // 100,
            max_connections=100 + 2 * workers * threads,
            cache_mb=cache,
            cache_maxmemory_mb=cache * 75 // 100,
            queue_mb=_between(64, memory_mb * 3 // 100, 1024),
            web_mb=web,
            web_workers=workers,
            web_threads=threads,
            worker_mb=_between(512, memory_mb * 15 // 100, 4096),
            realtime_mb=256,
            scheduler_mb=384,
            edge_mb=256,
            tools_mb=_between(1024, memory_mb * 20 // 100, 4096),
        )


def _between(low: int, value: int, high: int) -> int:
    return max(low, min(value, high))


# How each field of a nested or repeated kind is read.
_NESTED: dict[str, type[Any]] = {"images": Images, "edge": Edge, "tls": Tls}
_LISTS: dict[str, type[Any]] = {"apps": App, "image_archives": ImageArchive}


def _build(kind: Any, where: str, values: Any) -> Any:
    if not isinstance(values, Mapping):
        raise checks.wrong(where, "must be a mapping")
    fields = dict(kind.__dataclass_fields__)
    checks.known_keys(where, values, fields)
    arguments: dict[str, Any] = {}
    for name, value in values.items():
        place = f"{where}.{name}"
        if name == "backups":
            arguments[name] = Backups.from_mapping(place, value)
        elif name in _NESTED:
            arguments[name] = _build(_NESTED[name], place, value)
        elif name in _LISTS:
            arguments[name] = tuple(
                _build(_LISTS[name], f"{place}[{number}]", entry) for number, entry in enumerate(_list(place, value))
            )
        elif name in _TEXTS:
            arguments[name] = tuple(
                _TEXTS[name](f"{place}[{number}]", entry) for number, entry in enumerate(_list(place, value))
            )
        elif name == "accept_vulnerable_versions":
            if not isinstance(value, Mapping):
                raise checks.wrong(place, "must be a mapping of app to the exact version")
            arguments[name] = {_text(place, app): _text(f"{place}.{app}", version) for app, version in value.items()}
        elif name in _RANGES:
            if isinstance(value, bool) or not isinstance(value, int) or value not in _RANGES[name]:
                raise checks.wrong(place, f"{value!r} is no whole number from 0 to {_RANGES[name][-1]}")
            arguments[name] = value
        elif fields[name].type in (bool, "bool"):
            if not isinstance(value, bool):
                raise checks.wrong(place, f"{value!r} is neither true nor false")
            arguments[name] = value
        elif fields[name].type in (int, "int"):
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 65535:
                raise checks.wrong(place, f"{value!r} is not a port number")
            arguments[name] = value
        else:
            arguments[name] = _text(place, value)
    try:
        return kind(**arguments)
    except TypeError:
        missing = [name for name in fields if name not in arguments]
        raise checks.wrong(where, f"lacks {', '.join(missing)}") from None


def _list(place: str, value: Any) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise checks.wrong(place, "must be a list")
    return list(value)


def _text(place: str, value: Any) -> str:
    try:
        return checks.text(value)
    except checks.InvalidValueError as fault:
        raise checks.wrong(place, str(fault)) from None


def _public_address(place: str, value: Any) -> str:
    text = _text(place, value)
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise checks.wrong(place, f"{text!r} is no IPv4 or IPv6 address, such as 203.0.113.5") from None
    if address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified:
        raise checks.wrong(place, f"{text!r} is no address that a visitor could reach")
    return str(address)


def _network(place: str, value: Any) -> str:
    text = _text(place, value)
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        raise checks.wrong(place, f"{text!r} is no address or network, such as 203.0.113.5 or 203.0.113.0/24") from None


def _proxies(place: str, value: Any) -> str:
    network = _network(place, value)
    if network.endswith("/0"):
        raise checks.wrong(place, f"{network!r} is everybody: each visitor could then say who he is")
    return network


# How each entry of a plain list is read.
_TEXTS = {
    "deploy_keys": _text,
    "public_addresses": _public_address,
    "trusted_proxies": _proxies,
    "never_ban": _network,
    "egress_allow": _network,
}
