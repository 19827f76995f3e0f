"""Ask the edge as visitors of a school would, and know what they shall get."""

from collections.abc import Mapping
from typing import Any

from schoolctl.errors import SchoolctlError
from schoolctl.remote.server import Server


def expected_status(school: Mapping[str, Any], host: str) -> int:
    """Return what the edge answers to a visitor of the login page under this name."""
    if school["state"] == "suspended":
        return 503
    if school["state"] == "closed":
        return 410
    if host != school["domain"]:
        return 308
    return 401 if school["staging"] else 200


def unanswered(server: Server, school: Mapping[str, Any], *, within: float = 0.0) -> str | None:
    """Return the first name of a school that does not answer as its state demands; None when all do."""
    for host in school["hosts"]:
        wanted = expected_status(school, host)
        # A staging copy shuts by itself at the end of its time.
        statuses = (wanted, 410) if school["staging"] and wanted in {401, 308} else (wanted,)
        if server.answers(host, wanted=statuses, within=within) not in statuses:
            return str(host)
    return None


def expect_answer(server: Server, school: Mapping[str, Any], what: str, *, within: float = 10) -> None:
    """Raise SchoolctlError that says `what` if the school does not answer as its state demands, within some seconds."""
    if host := unanswered(server, school, within=within):
        raise SchoolctlError(
            what,
            because=f"{host} gave no {expected_status(school, host)} on {server.name} within {within:g} s",
            hint="look at `docker logs schools-edge` and `docker logs schools-web` there, then run the same again",
        )
