"""Examine a server and its schools from every side: what is wrong, in order of harm, each with what mends it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from schoolctl.remote.dns import Finding as DnsFinding
from schoolctl.remote.server import Server, State
from schoolctl.remote.standing import BackupFacts
from schoolctl.remote.visits import Visit
from schoolctl.workflows.diagnose import Check, Finding, Result, Seen, diagnose
from schoolctl.workflows.examine_backups import see_backups
from schoolctl.workflows.examine_bench import ANSWER_S, PRINT_S, ExamineBench, see_queues
from schoolctl.workflows.examine_disk import Disk, examine_disk
from schoolctl.workflows.examine_names import see_names
from schoolctl.workflows.examine_visits import ExamineVisits
from schoolctl.workflows.find_trouble import ending, ill_containers, lacking, troubles_of
from schoolctl.workflows.golden_site import GoldenSites
from schoolctl.workflows.trouble import Trouble

# In order of harm.
ORDER = (
    *("server", "doors", "backups", "names", "certificates", "sockets", "assets"),
    *("jobs", "queues", "pictures", "heads", "mail", "disk"),
)
# What each needs; where that is ill, it is told already, and what follows from it is not told again.
_WEB = ("schools-edge", "schools-web", "schools-db")
_BENCH = ("schools-tools", "schools-db", "schools-cache")
# How many connections the server's own checks share.
_CONNECTIONS = 3

Facts = Mapping[str, Any]


@dataclass
class ExamineServer:
    """Examine what there is on a server, and how some schools fare.

    schools: as templates see them. address: where visitors find the server. look_up: says where names lead. visit: goes
    there as a visitor. more_servers: returns further connections, at most so many. apps: what golden sites have. tell:
    hears of each check at its end. lacks_kit: whether nobody was shown what opens the backups. disk: how it keeps the
    database waiting; None until it is measured.
    """

    server: Server
    schools: Sequence[Facts]
    address: str
    look_up: Callable[[Sequence[str]], Sequence[DnsFinding]]
    visit: Visit
    more_servers: Callable[[int], Sequence[Server]]
    apps: Sequence[str]
    tell: Callable[[Finding], None]
    lacks_kit: bool = False
    disk: Disk | None = None
    _backups: BackupFacts | None = None
    _ill: dict[str, Trouble] = field(default_factory=dict)
    _left_out: set[str] = field(default_factory=set)

    def run(self) -> list[Finding]:
        """Look at everything; return the findings in order of harm."""
        state = self.server.state()
        self._backups = state.backups
        [sound] = diagnose(
            [[Check("server", "What serves the schools runs", partial(self._sound, state), 20)]], self.tell
        )
        lanes = [[self._names()], self._visits()]
        if sound.result is not Result.UNKNOWN:
            servers = [self.server, *self.more_servers(_CONNECTIONS - 1)]
            lanes += self._on_server(servers)
        found = [sound, *diagnose(lanes, self.tell)]
        return sorted(found, key=lambda finding: ORDER.index(finding.check.name))

    def _sound(self, state: State) -> Seen:
        """See what `status` tells, and which schools are not there."""
        self._ill = ill_containers(self.server)
        there = {*self.server.names_in(self.server.path("sites"))}
        missing = [
            school["slug"]
            for school in self.schools
            if school["state"] != "closed" and school["slug"] not in {*there, *state.claims}
        ]
        # What a command is at work on, or was interrupted at, is told as that.
        self._left_out = {*missing, *state.claims}
        notes = [f"`{slug}` is declared and not open: `schoolctl apply {slug}` opens it." for slug in missing]
        return Seen(troubles_of(replace(state, uncertified=()), self._ill), notes)

    def _names(self) -> Check:
        led = [school for school in self.schools if school["state"] != "closed"]
        return Check("names", "The schools' names lead here", partial(see_names, led, self.look_up), 8)

    def _visits(self) -> list[Check]:
        visits = ExamineVisits(self.address, self._open, self.visit)
        needs = (*_WEB, "schools-realtime")
        return [
            Check("doors", "Visitors get in", self._needing(_WEB, visits.see_doors), 30),
            Check("sockets", "Pages hear at once what happens", self._needing(needs, visits.see_sockets), 30),
        ]

    def _on_server(self, servers: Sequence[Server]) -> list[list[Check]]:
        """Return what is asked of the server, a lane for each connection."""
        lanes: list[list[Check]] = [[] for _ in servers]
        for number, checks in enumerate((self._of_stack, self._of_bench, self._of_printing)):
            lanes[number % len(servers)] += checks(servers[number % len(servers)])
        return lanes

    def _of_stack(self, server: Server) -> list[Check]:
        visits = ExamineVisits(self.address, self._open, self.visit)
        slugs = [school["slug"] for school in self.schools]
        queues, assets = partial(see_queues, server, slugs), partial(visits.see_assets, server)
        certificates = partial(self._certificates, server)
        backed_up = [school["slug"] for school in self.schools if school["state"] != "closed"]
        return [
            Check(
                "backups",
                "Backups are made, and proven by restoring them",
                partial(see_backups, server, self._backups, backed_up, lacks_kit=self.lacks_kit),
                60,
            ),
            Check("certificates", "Browsers trust the schools' certificates", certificates, 15),
            Check("queues", "Work in the background gets done", self._needing(("schools-queue",), queues), 15),
            Check("assets", "Pages find their scripts and styles", self._needing((*_WEB, "schools-tools"), assets), 30),
            Check("disk", "How long the disk takes", partial(self._measure, server), 15),
        ]

    def _certificates(self, server: Server) -> Seen:
        asking = {school["slug"] for school in self._open if school["certificate"] != "self-signed"}
        if not asking:
            return Seen(passed_over="no school asks for one")
        found = [row for row in server.certificates() if row["slug"] in asking]
        troubles = [*ending(found), *lacking(found)]
        if troubles:
            return Seen(troubles)
        ends = min((row["expires"] for row in found if row["expires"]), default="")
        return Seen(notes=[f"The first certificate to expire does so on {ends[:10]}."] if ends else [])

    def _of_bench(self, server: Server) -> list[Check]:
        bench, within = self._bench(server), ANSWER_S + 2 * len(self.schools)
        return [
            Check("jobs", "Scheduled jobs run", self._needing((*_BENCH, "schools-scheduler"), bench.see_jobs), within),
            Check("heads", "PDFs have the heads of documents", self._needing(_BENCH, bench.see_heads), within),
            Check("mail", "Mail can leave", self._needing(_BENCH, bench.see_mail), within),
        ]

    def _of_printing(self, server: Server) -> list[Check]:
        bench, within = self._bench(server), PRINT_S + 10 * len(self.schools)
        look = self._needing((*_BENCH, *_WEB), bench.see_pictures)
        return [Check("pictures", "PDFs have their pictures", look, within)]

    def _bench(self, server: Server) -> ExamineBench:
        """Return what asks the bench about the schools at work."""
        at_work = [school for school in self._open if school["state"] == "active"]
        copies = frozenset(school["slug"] for school in at_work if school["staging"])
        return ExamineBench(server, [school["slug"] for school in at_work], copies)

    @property
    def _open(self) -> list[Facts]:
        """Return the schools that are as they shall be, as far as anybody has looked."""
        return [school for school in self.schools if school["slug"] not in self._left_out]

    def _needing(self, containers: Sequence[str], look: Callable[[], Seen]) -> Callable[[], Seen]:
        """Let a look be passed over where something that it needs is known to be ill."""
        ill = [self._ill[name].because for name in containers if name in self._ill]
        return (lambda: Seen(passed_over=ill[0])) if ill else look

    def _measure(self, server: Server) -> Seen:
        goldens = [golden for golden in GoldenSites.of(server, self.apps).all() if golden.out_of_service is None]
        self.disk = examine_disk(server, goldens)
        middle, high, loads = self.disk.sync_ms, self.disk.sync_ms_95, self.disk.load_seconds
        notes = [
            f"A small write waits {middle:.2g} ms for the disk, 95 of 100 at most {high:.2g} ms.",
            *(
                f"Loading the golden site `{profile}` takes about {seconds:.0f} s."
                for profile, seconds in loads.items()
            ),
        ]
        if self.disk.is_slow:
            notes.append("That is a slow disk; with databases ready in the pool a new school does not wait for it.")
        return Seen(notes=notes)
