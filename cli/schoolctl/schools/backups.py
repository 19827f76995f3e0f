"""How schools are backed up: where to, how many sets are kept, and who is told of what failed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from schoolctl.schools import checks

# The target on the server itself: always there unless `local: false` says otherwise.
LOCAL = "local"
# Where it lies, below the platform's root.
LOCAL_FOLDER = "backups/repository"

_NAME = re.compile(r"[a-z][a-z0-9-]{0,29}")
_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
# Characters that neither ssh, a unit file nor restic would read as more than a name.
_PATH = re.compile(r"(/[A-Za-z0-9][A-Za-z0-9._-]*){2,}")
_SFTP = re.compile(
    r"sftp:(?P<url>//)?(?:(?P<user>[a-z_][a-z0-9_.-]{0,31})@)?(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*)"
    r":(?(url)(?P<port>[0-9]{1,5})/)(/[A-Za-z0-9][A-Za-z0-9._-]*)+"
)
_WEB = re.compile(
    r"(?P<kind>rest|s3):(?P<scheme>https?)://(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*)(:[0-9]{1,5})?(/[A-Za-z0-9._-]*)*"
)
_BUCKET = re.compile(r"s3:[a-z0-9][a-z0-9.-]*\.[a-z]+(/[A-Za-z0-9._-]+)+")
_HOST_KEY = re.compile(r"((?:sk-)?(?:ssh|ecdsa)-[a-z0-9-]+(?:@openssh\.com)?) [A-Za-z0-9+/]+={0,2}")

# How many sets each rule may keep.
_KEPT = range(1001)
_RANGES = {
    "upload_kib": range(10_000_001),
    "download_kib": range(10_000_001),
    "stale_hours": range(1, 10_001),
    "drill_days": range(1, 366),
}


@dataclass(frozen=True, slots=True)
class Keep:
    """How many sets stay, by restic's own rules; None where a row leaves it to the platform.

    last: the newest ones, whenever they were made. The others: the newest of so many days, weeks, months and years.
    """

    last: int | None = None
    daily: int | None = None
    weekly: int | None = None
    monthly: int | None = None
    yearly: int | None = None

    @property
    def row(self) -> dict[str, int]:
        """What is said, by its key."""
        return {rule.name: count for rule in fields(self) if (count := getattr(self, rule.name)) is not None}

    def over(self, other: "Keep") -> "Keep":
        """Return what holds when this is said of one school and the other of all."""
        return replace(other, **self.row)

    @classmethod
    def from_mapping(cls, where: str, value: Any) -> "Keep":
        """Check a mapping of rules to counts; raises DeclarationError with the path of the first fault."""
        return cls(**{name: _number(f"{where}.{name}", count, _KEPT) for name, count in _part(where, value, cls)})


DEFAULT_KEEP = Keep(last=3, daily=7, weekly=5, monthly=12, yearly=0)


@dataclass(frozen=True, slots=True)
class Target:
    """A restic repository.

    repository: as restic writes it, without a password; empty for the folder of `local` below the root. append_only:
    what the server may log in with there can remove nothing, so another machine forgets old sets. upload_kib: how much
    goes there in a second at most, download_kib: and comes from there; 0 for no limit. host_key: of an SFTP server, as
    ~/.ssh/known_hosts has it.
    """

    repository: str = ""
    append_only: bool = False
    upload_kib: int = 0
    download_kib: int = 0
    host_key: str = ""

    @property
    def ssh(self) -> dict[str, str | int] | None:
        """Host, port and user, which may be empty, of an SFTP server; None for a target that is none."""
        found = _SFTP.fullmatch(self.repository)
        return {"host": found["host"], "port": int(found["port"] or 22), "user": found["user"] or ""} if found else None

    @property
    def folder(self) -> str:
        """The folder of a target on the server itself; empty for one elsewhere."""
        return self.repository if self.repository.startswith("/") else ""


@dataclass(frozen=True, slots=True)
class Alarm:
    """Who is told when backups fail or grow stale.

    command: its argv; it reads a JSON object from stdin. webhook: one is called; its address is a secret of the vault.
    """

    command: tuple[str, ...] = ()
    webhook: bool = False


@dataclass(frozen=True, slots=True)
class Backups:
    """What platform.yml says of backups; the comments in inventories/example say what each setting means.

    at: a time of day by the server's clock. targets: `local` first, with an empty repository unless it has another.
    """

    targets: Mapping[str, Target] = field(default_factory=lambda: {LOCAL: Target()})
    keep: Keep = DEFAULT_KEEP
    at: str = "02:15"
    stale_hours: int = 30
    drill_days: int = 7
    point_in_time: bool = False
    alarm: Alarm = field(default_factory=Alarm)

    def placed(self, root: str) -> dict[str, Target]:
        """Return the targets with the repository of `local` below the platform's root."""
        own = f"{root}/{LOCAL_FOLDER}"
        return {name: replace(target, repository=target.repository or own) for name, target in self.targets.items()}

    @classmethod
    def from_mapping(cls, where: str, value: Any) -> "Backups":
        """Check the mapping under `backups`; raises DeclarationError with the path of the first fault."""
        said: dict[str, Any] = {}
        for name, setting in _part(where, value, cls):
            place = f"{where}.{name}"
            if name == "targets":
                said[name] = _targets(place, setting)
            elif name == "keep":
                said[name] = Keep.from_mapping(place, setting).over(DEFAULT_KEEP)
                if not any(said[name].row.values()):
                    raise checks.wrong(place, "keeps no set at all")
            elif name == "alarm":
                said[name] = _alarm(place, setting)
            elif name == "point_in_time":
                said[name] = _switch(place, setting)
            elif name == "at":
                said[name] = _text(place, setting)
                if not _TIME.fullmatch(said[name]):
                    raise checks.wrong(place, f'{setting!r} is no time of day such as "02:15"')
            else:
                said[name] = _number(place, setting, _RANGES[name])
        return cls(**said)


def _targets(where: str, value: Any) -> dict[str, Target]:
    if not isinstance(value, Mapping):
        raise checks.wrong(where, "must be a mapping of names to repositories")
    found = {}
    for name, said in {LOCAL: {}, **value}.items():
        place = f"{where}.{name}"
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise checks.wrong(place, "a target's name has up to 30 of a-z, 0-9 and -, and begins with a letter")
        if name == LOCAL and said is False:
            continue
        found[name] = _target(place, said, own=name == LOCAL)
    if not found:
        raise checks.wrong(where, "names no target, so nothing would be backed up")
    return found


def _target(where: str, value: Any, *, own: bool) -> Target:
    said: dict[str, Any] = {}
    for name, setting in _part(where, value, Target):
        place = f"{where}.{name}"
        if name == "append_only":
            said[name] = _switch(place, setting)
        elif name in ("upload_kib", "download_kib"):
            said[name] = _number(place, setting, _RANGES[name])
        else:
            said[name] = _text(place, setting)
    target = Target(**said)
    if "repository" in said or not own:
        _check_repository(f"{where}.repository", said.get("repository"))
    if target.ssh and not _is_host_key(target.host_key):
        raise checks.wrong(
            f"{where}.host_key",
            "must be the public key of that SFTP server, such as `ssh-ed25519 AAAA...`",
            hint="`ssh-keyscan HOST` prints what answers there: compare it with what the server's owner says",
        )
    if target.host_key and not target.ssh:
        raise checks.wrong(f"{where}.host_key", "belongs to an SFTP server only")
    return target


def _check_repository(where: str, value: str | None) -> None:
    if value is None:
        raise checks.wrong(where, "is missing")
    if re.search(r"//[^/]*:[^/]*@|^sftp:[^/@]*:[^/@]*@", value) or (
        value.startswith(("rest:", "s3:")) and "@" in value
    ):
        raise checks.wrong(
            where,
            "has a user or a password in it",
            hint="put what the target is logged in to with into backup_credentials, in the vault",
        )
    if web := _WEB.fullmatch(value):
        if web["scheme"] == "http" and not _is_private(web["host"]):
            raise checks.wrong(where, "sends what it logs in with over plain http: only to a private address")
        return
    if not (_PATH.fullmatch(value) or _SFTP.fullmatch(value) or _BUCKET.fullmatch(value)):
        raise checks.wrong(
            where,
            f"{value!r} is no repository such as /mnt/disk/schools, sftp:user@host:/folder, "
            "rest:https://host/folder or s3:https://host/bucket",
        )


def _is_private(host: str) -> bool:
    # Here, because few repositories are reached by http, and every start would pay for it.
    from ipaddress import ip_address

    try:
        return ip_address(host).is_private
    except ValueError:
        return False


def _is_host_key(text: str) -> bool:
    found = _HOST_KEY.fullmatch(text)
    return found is not None and checks.is_key_of(found[1], text.split()[1])


def _alarm(where: str, value: Any) -> Alarm:
    said: dict[str, Any] = {}
    for name, setting in _part(where, value, Alarm):
        place = f"{where}.{name}"
        if name == "webhook":
            said[name] = _switch(place, setting)
            continue
        if not isinstance(setting, list | tuple):
            raise checks.wrong(place, "must be a list: the program and its arguments")
        said[name] = tuple(_text(f"{place}[{number}]", word) for number, word in enumerate(setting))
        if said[name] and not said[name][0].startswith("/"):
            raise checks.wrong(f"{place}[0]", f"{said[name][0]!r} is no full path of a program on the server")
    return Alarm(**said)


def _part(where: str, value: Any, kind: type[Any]) -> list[tuple[str, Any]]:
    """Return the entries of a mapping after a look at its keys."""
    if not isinstance(value, Mapping):
        raise checks.wrong(where, "must be a mapping")
    checks.known_keys(where, value, [entry.name for entry in fields(kind)])
    return list(value.items())


def _number(where: str, value: Any, allowed: range) -> int:
    # Ansible hands over numbers of a class of its own.
    if isinstance(value, bool) or not isinstance(value, int) or value not in allowed:
        raise checks.wrong(where, f"{value!r} is no whole number from {allowed.start} to {allowed[-1]}")
    return value


def _switch(where: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise checks.wrong(where, f"{value!r} is neither true nor false")
    return value


def _text(where: str, value: Any) -> str:
    try:
        return checks.text(value)
    except checks.InvalidValueError as fault:
        raise checks.wrong(where, str(fault)) from None
