"""Examine what visitors of schools get, from where schoolctl runs: at doors, at sockets, and of what pages load."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from schoolctl.bench import site
from schoolctl.remote.server import Server, json_object
from schoolctl.remote.visits import HungUpError, NoPageError, Visit, Visitor
from schoolctl.workflows.diagnose import Seen, each, grouped
from schoolctl.workflows.trouble import Trouble
from schoolctl.workflows.visitors import expected_status

Fault = tuple[str, str]

PING = "/api/method/ping"
SOCKET = "/socket.io/?EIO=4&transport=polling"
FOREIGN = "http://another.invalid"

_APPLY = "schoolctl apply {slug}"
_LOGS = "look at `schoolctl logs {slug}`, and at `docker logs schools-web` on the server"
_SOCKET = "look at `docker logs schools-realtime` on the server, then run `schoolctl apply {slug}`"
_PORTS = "let visitors through where your provider has a firewall; on the server itself `schoolctl provision` does it"
# So many connections ask for files side by side.
_STREAMS = 8


@dataclass(frozen=True, slots=True)
class _Door:
    """What was found at a school's doors: what is wrong, as fact and way out; silent, when nobody answers at all."""

    fault: Fault | None = None
    is_silent: bool = False
    is_shut: bool = False


@dataclass
class ExamineVisits:
    """Visit schools as templates see them, at the address where visitors find the server.

    visit: goes there. shut: the schools where nobody answered, known when the doors have been seen.
    """

    address: str
    schools: Sequence[Mapping[str, Any]]
    visit: Visit
    shut: set[str] = field(default_factory=set)

    def see_doors(self) -> Seen:
        """Knock at every name of every school."""
        if not self.schools:
            return Seen(passed_over="no school is declared to be there")
        slugs = [str(school["slug"]) for school in self.schools]
        doors = dict(zip(slugs, each(self._at_the_doors, self.schools), strict=True))
        self.shut = {slug for slug, door in doors.items() if door.is_shut}
        faults = {slug: door.fault for slug, door in doors.items() if door.fault}
        if all(door.is_silent for door in doors.values()):
            return Seen([Trouble("Nobody outside gets an answer", faults[slugs[0]][0], _PORTS)])
        return Seen(grouped(faults, lambda schools: f"Visitors of {schools} do not get what they should"))

    def see_sockets(self) -> Seen:
        """Open a socket at each school as its own pages do, and as somebody else's would."""
        awake = [school for school in self._at_work() if school["slug"] not in self.shut]
        if not awake:
            return Seen(passed_over="no school answers whose pages open sockets")
        found = zip(awake, each(self._at_the_socket, awake), strict=True)
        faults = {school["slug"]: fault for school, fault in found if fault}
        return Seen(grouped(faults, lambda schools: f"Pages of {schools} do not hear at once what happens"))

    def see_assets(self, server: Server) -> Seen:
        """Ask for each script and style that the running image's pages may load."""
        awake = self._at_work()
        if not awake:
            return Seen(passed_over="no school is open whose pages load any")
        # As the bench itself knows them: the edge may hold those of another image.
        bundles = json_object(server.run(site.assets(), timeout=10).stdout) or {}
        paths = sorted({path for path in bundles.values() if isinstance(path, str)})
        parts = [paths[start::_STREAMS] for start in range(min(_STREAMS, len(paths)))]
        try:
            statuses = dict(pair for part in each(lambda part: self._heads(awake[0], part), parts) for pair in part)
        except NoPageError as fault:
            return Seen(passed_over=f"{awake[0]['slug']} does not answer: {fault}")
        gone = [path for path in paths if statuses[path] != 200]
        if not gone:
            return Seen(notes=[f"All {len(paths)} scripts and styles that pages load are there."])
        more = f", and {len(gone) - 1} more of {len(paths)} are not there" if gone[1:] else ""
        mend = f"remove what {server.path('assets/current')} leads to on the server, then run `schoolctl provision`"
        return Seen([Trouble("Pages look wrong or do nothing", f"{gone[0]} gives {statuses[gone[0]]}{more}", mend)])

    def _at_work(self) -> list[Mapping[str, Any]]:
        """Return the schools whose pages anybody may see."""
        return [school for school in self.schools if school["state"] == "active" and not school["staging"]]

    def _visitor(self, school: Mapping[str, Any], host: str) -> Visitor:
        return self.visit(self.address, school["url"], host)

    def _at_the_doors(self, school: Mapping[str, Any]) -> _Door:
        try:
            if school in self._at_work():
                return _Door(self._at_work_itself(school) or self._aliases(school))
            return _Door(self._at_rest(school))
        except HungUpError as fault:
            return _Door((f"{fault}, as on names that the edge does not know", _APPLY), is_shut=True)
        except NoPageError as fault:
            return _Door((f"{fault}, asked from here as a visitor", _PORTS), is_silent=True, is_shut=True)

    def _at_work_itself(self, school: Mapping[str, Any]) -> Fault | None:
        with self._visitor(school, school["domain"]) as visitor:
            page = visitor.get(PING)
        if page.status == 200 and _message(page.text) == "pong":
            return None
        return (f"{school['domain']} gives {page.status} where its bench should answer", _LOGS)

    def _aliases(self, school: Mapping[str, Any]) -> Fault | None:
        for alias in school["aliases"]:
            with self._visitor(school, alias) as visitor:
                page = visitor.get(PING)
            if (page.status, page.location) != (308, f"{school['url']}{PING}"):
                leads = f"leads to {page.location}" if page.location else f"gives {page.status}"
                return (f"{alias} {leads}, and not to {school['url']}", _APPLY)
        return None

    def _at_rest(self, school: Mapping[str, Any]) -> Fault | None:
        for host in school["hosts"]:
            wanted = expected_status(school, host)
            with self._visitor(school, host) as visitor:
                status = visitor.get("/login").status
            # A staging copy shuts by itself at the end of its time.
            if status != wanted and not (school["staging"] and status == 410):
                return (f"{host} gives {status}, and not {wanted}", _APPLY)
        return None

    def _at_the_socket(self, school: Mapping[str, Any]) -> Fault | None:
        try:
            with self._visitor(school, school["domain"]) as visitor:
                own = visitor.get(SOCKET, {"Origin": school["url"]})
                foreign = visitor.get(SOCKET, {"Origin": FOREIGN})
        except NoPageError as fault:
            return (str(fault), _SOCKET)
        if own.status != 200 or not own.text.startswith("0{"):
            return (f"its own pages get {own.status} where a socket should open", _SOCKET)
        if foreign.status != 403:
            return (f"pages of others get {foreign.status}, and not 403", _APPLY)
        return None

    def _heads(self, school: Mapping[str, Any], paths: Sequence[str]) -> list[tuple[str, int]]:
        with self._visitor(school, school["domain"]) as visitor:
            return [(path, visitor.head(path).status) for path in paths]


def _message(text: str) -> object:
    """Return what a method of Frappe's answered."""
    try:
        return json.loads(text).get("message")
    except (ValueError, AttributeError):
        return None
