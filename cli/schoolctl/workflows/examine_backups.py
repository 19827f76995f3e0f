"""Find what is wrong with a server's backups by what it has written down of them."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from schoolctl.remote.backups import Backups
from schoolctl.remote.server import Server
from schoolctl.remote.standing import BackupFacts
from schoolctl.workflows.diagnose import Seen, named
from schoolctl.workflows.trouble import Trouble

# The server proves some schools each day, so that a drill may be later than it should by a little.
_LATE_DRILLS = 2
# What databases write down is put away each quarter of an hour, the inventory stored each hour where it lacks, a target
# checked each week; alarms go by the same.
_LATE_LOG_HOURS = 2
_LATE_INVENTORY_HOURS = 2
_LATE_CHECK_DAYS = 15
_KIT = (
    "Nobody has printed the break-glass kit, without which the backups are lost with server and laptop:"
    " `schoolctl backup-targets kit | lp`."
)


def backup_troubles(facts: BackupFacts | None, now: datetime) -> Iterator[Trouble]:
    """Yield what is wrong, the worst first."""
    if facts is None:
        yield Trouble(
            "Nothing is backed up", "nobody has told the server where to", "schoolctl provision --tags backups"
        )
        return
    if not facts.has_key:
        yield Trouble(
            "Nothing is backed up",
            "the server has no key to encrypt sets with",
            "schoolctl backup-targets init, then schoolctl provision --tags backups",
        )
        return
    yield from _stale(facts, now)
    yield from _not_stored(facts)
    yield from _not_proven(facts, now)
    yield from _not_checked(facts, now)
    for target in facts.targets:
        if odd := facts.standing.misnamed.get(target):
            yield Trouble(
                f"Somebody else than this server may have stored something in `{target}`",
                f"snapshots say to be sets, and cannot be any: {', '.join(odd)}",
                "docs/guides/backup-targets.md says what that means, and how they go",
            )
        if facts.standing.targets.get(target):
            continue
        mend = f"schoolctl backup-targets check {target}"
        if fault := facts.standing.kept.get(target):
            yield Trouble(f"Old sets stay in `{target}`", fault, mend)
        fault, since = facts.standing.inventory.get(target), facts.standing.inventory_since.get(target)
        if fault:
            yield Trouble(f"The inventory as it is now is not in `{target}`", fault, mend)
        elif since and _hours(since, now) > _LATE_INVENTORY_HOURS:
            because = f"it is not there since {since}, though it is stored each hour where it lacks"
            mend = "look at `journalctl -u schools-backup-inventory` on the server"
            yield Trouble(f"The inventory as it is now is not in `{target}`", because, mend)
    yield from _not_put_away(facts, now)


def _not_checked(facts: BackupFacts, now: datetime) -> Iterator[Trouble]:
    for target in facts.targets:
        checked = facts.standing.checked.get(target)
        since = checked or facts.standing.first_in(target)
        if since and not facts.standing.targets.get(target) and _hours(since, now) > 24 * _LATE_CHECK_DAYS:
            because = f"it was last checked at {checked}" if checked else "it was never checked"
            mend = f"schoolctl backup-targets check {target}"
            yield Trouble(f"Nobody knows whether `{target}` is sound", f"{because}, and is each week", mend)


def _not_put_away(facts: BackupFacts, now: datetime) -> Iterator[Trouble]:
    since, because = facts.standing.logs_put_away, None
    if facts.standing.logs_fault:
        because = f"what databases wrote down of their changes could not be put away: {facts.standing.logs_fault}"
    elif facts.has_log and since and _hours(since, now) > _LATE_LOG_HOURS:
        because = f"what databases wrote down of their changes since {since} was not put away"
    if because:
        yield Trouble(
            "Schools cannot be put back to a moment between two backups",
            because,
            "mend that; `journalctl -u schools-backup-logs` on the server tells more",
        )


def see_backups(server: Server, facts: BackupFacts | None, slugs: Sequence[str], *, lacks_kit: bool = False) -> Seen:
    """See whether these schools are backed up and proven, and whether every target can be reached now.

    lacks_kit: whether nobody was shown the kit with the key yet.
    """
    troubles = [
        trouble
        for trouble in backup_troubles(facts, server.stamp())
        if not trouble.schools or set(trouble.schools) & set(slugs)
    ]
    if facts is None or not facts.has_key:
        return Seen(troubles)
    gone = {target.name: target.fault for target in Backups(server).targets() if target.fault}
    # What a target failed at then is what it fails at now.
    told = [trouble for trouble in troubles if not any(f"`{name}`" in trouble.what for name in gone)]
    found = [
        Trouble(f"Nothing can be stored in `{name}`", str(fault), f"schoolctl backup-targets check {name}")
        for name, fault in gone.items()
    ]
    proven = [drill for slug in slugs if (drill := facts.standing.of(slug).drill) and drill.ok]
    slowest = max((drill.restore_seconds or drill.seconds for drill in proven), default=0.0)
    notes = [f"{len(proven)} of {len(slugs)} schools are proven by a restore, the slowest in {slowest:.0f} s."]
    reminder = [_KIT] if lacks_kit else []
    return Seen([*found, *told], [*(notes if proven else []), *reminder])


def _stale(facts: BackupFacts, now: datetime) -> Iterator[Trouble]:
    for slug, since in facts.expected.items():
        last, fault = facts.standing.of(slug).last, facts.standing.of(slug).fault
        if _hours(last.taken if last else since, now) > facts.stale_hours:
            age = f"its newest set is of {last.taken}" if last else "there is no set of it"
            yield Trouble(
                f"A loss would cost `{slug}` more than {facts.stale_hours:g} hours",
                f"{age}, and none could be taken: {fault}" if fault else f"{age}, and one is made each night",
                f"schoolctl backup {slug}",
                (slug,),
            )


def _not_stored(facts: BackupFacts) -> Iterator[Trouble]:
    for target, fault in facts.standing.targets.items():
        if fault:
            yield Trouble(f"What is in `{target}` may be of no use", fault, f"schoolctl backup-targets check {target}")
    failed: dict[tuple[str, str], list[str]] = {}
    for slug in facts.expected:
        for target, fault in facts.standing.of(slug).faults.items():
            failed.setdefault((target, fault), []).append(slug)
    for (target, fault), slugs in failed.items():
        yield Trouble(
            f"The newest state of {named(slugs)} is not in `{target}`",
            fault,
            f"schoolctl backup {' '.join(slugs)} --to {target}",
            tuple(slugs),
        )


def _not_proven(facts: BackupFacts, now: datetime) -> Iterator[Trouble]:
    for slug, since in facts.expected.items():
        standing = facts.standing.of(slug)
        drill = standing.drill
        if drill is not None and not drill.ok:
            yield Trouble(
                f"`{slug}` could not be restored from its backup",
                f"the drill of {drill.at} failed with set {drill.set_id or 'none'}: {drill.fault}",
                f"schoolctl backup {slug}, then schoolctl verify-backup {slug}",
                (slug,),
            )
        elif standing.last and _hours(drill.at if drill else since, now) > 24 * facts.drill_days * _LATE_DRILLS:
            because = f"the last drill was at {drill.at}" if drill else "no drill was ever made"
            yield Trouble(
                f"Nobody knows whether `{slug}` can be restored", because, f"schoolctl verify-backup {slug}", (slug,)
            )


def _hours(moment: str, now: datetime) -> float:
    return (now - datetime.fromisoformat(moment)).total_seconds() / 3600
