"""Find what is wrong on a server: in order of harm, each with the command that mends it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from schoolctl.remote.server import DRILL, Server, State
from schoolctl.schools.platform import CONTAINERS
from schoolctl.transport.session import ServerFaultError
from schoolctl.workflows.ailments import ailment_of
from schoolctl.workflows.claims import again
from schoolctl.workflows.examine_backups import backup_troubles
from schoolctl.workflows.trouble import Trouble

# Without one of these no school answers.
_VITAL = {"schools-edge", "schools-web", "schools-db", "schools-cache", "schools-queue"}
_ROOM = 1024**3
_INODES = 10_000


def running(state: State) -> dict[str, Any] | None:
    """Return what a command is doing on the server now: who, what, since, operation, step; None when none is at work.

    left: its holder is gone, and what it began is still going on.
    """
    if state.holder is None:
        return None
    last = state.last or {}
    mine = last.get("operation") == state.holder.get("operation")
    return {
        **{key: state.holder.get(key) for key in ("who", "what", "since", "operation")},
        "step": last.get("step") if mine else None,
        "left": mine and "result" in last,
    }


def find_trouble(server: Server, state: State) -> list[Trouble]:
    """Return all that is wrong, the worst first."""
    return troubles_of(state, ill_containers(server), backup_troubles(state.backups, server.stamp()))


def ill_containers(server: Server) -> dict[str, Trouble]:
    """Return what is wrong with containers, by name; the same with all of them where Docker is silent."""
    try:
        return dict(_ill(server.containers()))
    except ServerFaultError as fault:
        because = f"Docker does not answer: {fault.because}"
        return dict.fromkeys(CONTAINERS, Trouble("No school answers", because, "schoolctl provision"))


def troubles_of(state: State, ill: Mapping[str, Trouble], backups: Iterable[Trouble] = ()) -> list[Trouble]:
    """Return all that is wrong by what goes on, by the containers that are ill and by the backups, the worst first."""
    troubles = [
        *(trouble for name, trouble in ill.items() if name in _VITAL),
        *_short_of_room(state),
        *backups,
        *ending(state.uncertified),
        *_interrupted(state),
        *(trouble for name, trouble in ill.items() if name not in _VITAL),
        *_ended_badly(state),
        *lacking(state.uncertified),
        *_unserviceable(state),
        *_pool_stays_short(state),
    ]
    return list(dict.fromkeys(troubles))


def _ill(containers: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, Trouble]]:
    for name in CONTAINERS:
        if ailment := ailment_of(name, containers.get(name)):
            harm = "Schools do not answer" if name in _VITAL else f"{name} does not do its work"
            yield name, Trouble(harm, f"the container {name} is {ailment.fact}", ailment.mend)


def _short_of_room(state: State) -> Iterator[Trouble]:
    if state.free_bytes < _ROOM:
        because = f"only {state.free_bytes // 1024**2} MB are free where they lie"
    elif state.free_inodes < _INODES:
        because = f"only {state.free_inodes} more files fit where they lie"
    else:
        return
    mend = "remove what nobody needs: old images by `docker image prune`"
    yield Trouble("Schools will soon have no room", because, mend)


def _interrupted(state: State) -> Iterator[Trouble]:
    if state.holder is not None:
        return  # claims of a command that is at work
    for slug, claim in state.claims.items():
        if slug.endswith(DRILL):
            continue  # the server makes them by itself, and the next one clears away what one left
        doing = claim.get("doing")
        yield Trouble(
            f"`{slug}` is between two states",
            f"`{doing}` was interrupted at {claim.get('since')}",
            str(again(slug, claim) or f"the schoolctl that knows `{doing}`"),
        )


def _ended_badly(state: State) -> Iterator[Trouble]:
    last = state.last
    if state.holder is not None or last is None or last.get("result") == "done":
        return
    what = last.get("what", "a command")
    doing, *words = what.split()
    if any(claim.get("doing") == doing and slug in words for slug, claim in state.claims.items()):
        return  # told already
    result = last.get("result", "it ended without a word: its agent was killed, or the server restarted")
    step = f", at the step `{last['step']}`" if "step" in last else ""
    yield Trouble(
        f"The last command, `{what}`, did not end well",
        f"{result}{step}",
        f"schoolctl {what}; `schoolctl history --operation {last['operation']}` tells its steps",
    )


def ending(certificates: Iterable[Mapping[str, Any]]) -> Iterator[Trouble]:
    """Yield what is wrong where visitors will soon meet a warning. certificates: how they stand."""
    for row in certificates:
        if row["alarm"]:
            yield Trouble(
                f"Browsers warn of `{row['slug']}`, or will soon",
                f"its certificate ends on {row['ends'][:10]}, and no other could be had: {row['fault']}",
                _renewal(row),
                (row["slug"],),
            )


def lacking(certificates: Iterable[Mapping[str, Any]]) -> Iterator[Trouble]:
    """Yield what is wrong where visitors meet a warning on https, under some name at least."""
    for row in certificates:
        if row["fault"] and not row["alarm"] and (row["missing"] or row["state"] != "trusted"):
            what = f"`{row['slug']}` lacks a certificate that browsers trust"
            if row["missing"]:
                what += f" for {', '.join(row['missing'])}"
            yield Trouble(what, row["fault"], _renewal(row), (row["slug"],))


def _renewal(row: Mapping[str, Any]) -> str:
    if row["way"] == "own":
        return f"schoolctl set-certificate {row['slug']} --file fullchain.pem --key privkey.pem"
    return f"schoolctl certs --renew {row['slug']}"


def _unserviceable(state: State) -> Iterator[Trouble]:
    for golden in state.unserviceable:
        what = f"the golden site `{golden['profile']}` is out of service since {golden['since']}"
        yield Trouble("New schools take longer to open", f"{what}: {golden['because']}", "schoolctl golden")


def _pool_stays_short(state: State) -> Iterator[Trouble]:
    if state.refill_fault is not None:
        because = f"the pool could not be filled up: {state.refill_fault}"
        yield Trouble("New schools take longer to open", because, "schoolctl pool")
