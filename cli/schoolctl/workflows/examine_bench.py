"""Examine what only the bench knows of schools: scheduled jobs, mail, printing, and what waits for the workers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from schoolctl.bench import redis, site
from schoolctl.remote.server import CallFailedError, Server
from schoolctl.workflows.diagnose import Seen, grouped, named
from schoolctl.workflows.trouble import Trouble

# So long one site may take to answer, the first one with the bench's start.
ANSWER_S = 20.0
PRINT_S = 30.0
# So old the newest scheduled job may be, in seconds: when somebody comes back to a dormant school, Frappe may need an
# hour to notice.
_TICKS = {False: 2 * 3600, True: 50 * 3600}
# So many failures are no accident any more.
_PILE = 10
# So long a job may wait in its queue, in seconds.
_WAITS = {"long": 1800.0}
_WAITS_ELSEWHERE = 600.0

_LATE = "look at `docker logs schools-scheduler` and `docker logs schools-worker-short` on the server"
_PAUSED = {
    "maintenance_mode": "schoolctl bench {slug} -- set-maintenance-mode off",
    "pause_scheduler": "schoolctl apply {slug}",
}
_LOGS = "schoolctl logs {slug} --source site"
_ACCOUNT = "schoolctl login {slug}, then make one at /app/email-account/new-email-account"
_MAILS = "schoolctl login {slug}, then see why at /app/email-queue"
_PRINTING = "schoolctl provision"
_HEADS = f"schoolctl bench {{slug}} -- execute {site.KEEP_HEADS}"


@dataclass
class ExamineBench:
    """Ask a bench about schools that are at work, all through one start of Frappe. copies: those of them on trial."""

    server: Server
    slugs: Sequence[str]
    copies: frozenset[str] = frozenset()

    def see_jobs(self) -> Seen:
        """See whether scheduled jobs run; also which schools the bench can say nothing about."""
        if not self.slugs:
            return Seen(passed_over="no school is at work")
        answered, silent = self._facts
        faults = {slug: fault for slug in answered if (fault := _late(answered[slug]["scheduler"]))}
        resting = [slug for slug in answered if answered[slug]["scheduler"]["dormant"]]
        said = [f"Nobody was there lately, so that jobs run once a day: {named(resting)}."] if resting else []
        return Seen(
            [
                *grouped(silent, lambda schools: f"The bench cannot say how things stand in {schools}"),
                *grouped(faults, lambda schools: f"Nothing scheduled happens in {schools}"),
            ],
            said,
        )

    def see_mail(self) -> Seen:
        """See whether mail can leave, and leaves."""
        facts = self._part("mail", [slug for slug in self.slugs if slug not in self.copies])
        if not facts:
            return Seen(passed_over="no school sends mail here")
        faults = {slug: fault for slug, mail in facts.items() if (fault := _unsent(mail))}
        return Seen(grouped(faults, lambda schools: f"Mail of {schools} does not arrive"))

    def see_heads(self) -> Seen:
        """See whether the heads of documents get into their PDFs."""
        facts = self._part("printing", self.slugs)
        if not facts:
            return Seen(passed_over="nothing is printed here")
        because = "heads shall be repeated on each page, which this wkhtmltopdf cannot do: it leaves them out"
        faults = {slug: (because, _HEADS) for slug, printing in facts.items() if printing["heads_lost"]}
        return Seen(grouped(faults, lambda schools: f"PDFs of {schools} lack the school's head"))

    def see_pictures(self) -> Seen:
        """Print a document with a picture to PDF, at each school whose pictures need no password."""
        faults, printed = {}, 0
        for slug in self.slugs:
            if slug in self.copies:
                continue
            try:
                told = self._ask(slug, site.PRINT_PICTURE, PRINT_S)
            except CallFailedError as fault:
                faults[slug] = (fault.because, _PRINTING)
                continue
            if told is None:
                continue
            printed += 1
            if not told["found"]:
                faults[slug] = (f"{told['picture']} is missing in a PDF that the bench made", _PRINTING)
        if not (printed or faults):
            return Seen(passed_over="nothing is printed here")
        return Seen(grouped(faults, lambda schools: f"PDFs of {schools} lack pictures and styles"))

    def _part(self, name: str, slugs: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        """Return one part of what the bench said of some schools; a bench that is a stand-in leaves parts out."""
        answered, _ = self._facts
        return {slug: answered[slug][name] for slug in slugs if slug in answered and answered[slug][name] is not None}

    @cached_property
    def _facts(self) -> tuple[dict[str, Mapping[str, Any]], dict[str, tuple[str, str]]]:
        """Return what the bench says of each school, and of which it says nothing."""
        answered, silent = {}, {}
        for slug in self.slugs:
            try:
                answered[slug] = self._ask(slug, site.EXAMINE, ANSWER_S)
            except CallFailedError as fault:
                silent[slug] = (fault.because, _LOGS)
        return answered, silent

    def _ask(self, slug: str, function: str, within: float) -> Any:
        return self.server.ask(site.answer_calls(), site.call(slug, function, {}), within=within)


def see_queues(server: Server, slugs: Sequence[str]) -> Seen:
    """See how long jobs have waited for a worker, and how many failed, of these schools."""
    found = redis.queues_of(server.run(redis.queues(), timeout=10).stdout)
    troubles = [
        Trouble(
            "Work in the background waits",
            f"the oldest of {found.waiting[name]} jobs in the queue `{name}` has waited for {waited / 60:.0f} minutes",
            "look at `docker logs schools-worker-short` and `docker logs schools-worker-long` on the server",
        )
        for name, waited in found.oldest.items()
        if waited > _WAITS.get(name, _WAITS_ELSEWHERE)
    ]
    failed = {slug: found.failed[slug] for slug in slugs if slug in found.failed}
    faults = {
        slug: (f"{number} jobs failed in the last seven days", "schoolctl logs {slug} --source worker")
        for slug, number in failed.items()
        if number >= _PILE
    }
    few = [f"`{slug}` {number}" for slug, number in failed.items() if number < _PILE]
    notes = [f"{sum(found.waiting.values())} jobs wait for a worker."]
    if few:
        notes.append(f"Jobs that failed in the last seven days: {', '.join(few)}.")
    return Seen([*troubles, *grouped(faults, lambda schools: f"Work in the background fails in {schools}")], notes)


def _late(scheduler: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return what is wrong with a school's scheduled jobs, and what mends it."""
    if scheduler["paused"]:
        return (f"`{scheduler['paused']}` is set in its configuration", _PAUSED[scheduler["paused"]])
    if not scheduler["enabled"]:
        return ("its scheduler is switched off", "schoolctl bench {slug} -- enable-scheduler")
    allowed = _TICKS[scheduler["dormant"]]
    if scheduler["last_tick"] is None or scheduler["last_tick"] > allowed:
        return (f"no scheduled job has begun for more than {allowed // 3600} hours", _LATE)
    return None


def _unsent(mail: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return what is wrong with a school's mail, and what mends it."""
    if mail["muted"]:
        return None
    if mail["sender"] is None:
        return ("no Email Account is enabled and the default for outgoing mail", _ACCOUNT)
    if mail["failed"] >= _PILE:
        return (f"{mail['failed']} mails could not be sent in the last seven days", _MAILS)
    if mail["waiting"] >= _PILE:
        return (f"{mail['waiting']} mails have waited for more than an hour", _MAILS)
    return None
