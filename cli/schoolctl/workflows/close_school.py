"""Close a school: shut its doors, back up what is behind them, put its folder away; its database stays."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from schoolctl.bench import database, redis
from schoolctl.errors import RefusedError, SchoolctlError
from schoolctl.remote.server import CLOSED, Server, Survey
from schoolctl.schools.model import School
from schoolctl.workflows.back_up_school import BackUpSchool
from schoolctl.workflows.change_school import ChangeSchool
from schoolctl.workflows.claims import refuse_claim_of_others
from schoolctl.workflows.site_files import SiteFiles
from schoolctl.workflows.step import Step
from schoolctl.workflows.visitors import expect_answer, unanswered

DOING = "close-school"

# Seconds that jobs of the school may take to their end once no new ones come.
PATIENCE = 120.0


@dataclass
class CloseSchool:
    """Put one school away, with a last backup made when nobody can change it any more.

    before, after: its row as it is and as it shall be. school: the facts of `after`. survey: of this run.
    options: what was asked for, as a person types it. targets: which of them keep a last set; none makes none.
    Before its folder is put away a failure takes all of it back; after it a later run goes on to the end.
    """

    server: Server
    schools_file: Path
    before: School
    after: School
    school: Mapping[str, Any]
    files: SiteFiles
    survey: Survey
    options: Sequence[str] = ()
    targets: Sequence[str] = ()
    backing_up: BackUpSchool = field(init=False)

    def __post_init__(self) -> None:
        """Name the places that the steps work on."""
        self._slug = self.after.slug
        self._live: str = self.school["site_dir"]
        self._archive = self.server.path("archive", self._slug + CLOSED)
        self._found = self.survey.sites.get(self._slug)
        self._was_put_away = self._found is None
        self._takes_over = False
        self._change = ChangeSchool(
            self.server, self.schools_file, self.before, self.after, self.school, self.files, self._found
        )
        self.backing_up = BackUpSchool(self.server, self.school, self.targets)

    def steps(self) -> list[Step]:
        """Return the story of closing, in order."""
        return [
            Step("See that it can be closed", is_done=self._may_begin, do=self._refuse_unopened),
            Step("Claim the school", is_done=self._is_claimed, do=self._claim, undo=self._take_back_claim),
            self._change.declaring(),
            Step("Pause its scheduler", is_done=self._is_paused, do=self._pause, undo=self._unpause),
            Step("Shut its doors", is_done=self.files.are_in_force, do=self.files.write, undo=self.files.put_back),
            Step("Let its jobs end", is_done=lambda: self._was_put_away, do=self._let_jobs_end),
            *(map(self._beforehand, self.backing_up.last_steps()) if self.targets else ()),
            Step("Put it away", is_done=self._is_put_away, do=self._put_away, commits=True),
            Step("Forget what Redis keeps of it", is_done=self._is_over, do=self._forget),
            Step("See that visitors are told", is_done=self._answers, do=self._see_that_it_answers),
            Step("Close the claim", is_done=self._is_over, do=self._drop_claim),
        ]

    @property
    def set_id(self) -> str | None:
        """The set of the last backup, if this run made it."""
        return self.backing_up.written.set_id if self.backing_up.written else None

    def _beforehand(self, step: Step) -> Step:
        """Return a step of the backup as one of this story."""
        return replace(step, is_done=lambda: self._was_put_away or step.is_done())

    # --- facts -------------------------------------------------------------------------------------------------------

    def _may_begin(self) -> bool:
        refuse_claim_of_others(self.server, self._slug, DOING)
        return self._found is not None or self._slug in self.survey.closed

    def _is_claimed(self) -> bool:
        # One that an interrupted run left is taken over, since each step finds for itself what that did.
        # But `resume` goes by its options, and those of an end would purge what shall be kept now.
        claim = self.server.claim(self._slug)
        return self._was_put_away if claim is None else claim.get("options") == list(self.options)

    def _is_paused(self) -> bool:
        return self._found is None or bool(self._found.config.get("pause_scheduler"))

    def _is_put_away(self) -> bool:
        return self._was_put_away or not self.server.exists(f"{self._live}/site_config.json")

    def _is_over(self) -> bool:
        return self._was_put_away and self.server.claim(self._slug) is None

    def _answers(self) -> bool:
        return unanswered(self.server, self.school) is None

    # --- deeds -------------------------------------------------------------------------------------------------------

    def _refuse_unopened(self) -> None:
        raise RefusedError(
            f"Could not close `{self._slug}`",
            because=f"its site is not open on {self.server.name}",
            hint=f"`schoolctl purge {self._slug}` removes what there is of a closed school",
        )

    def _claim(self) -> None:
        self._takes_over = self.server.claim(self._slug) is not None
        self.server.write_claim(self._slug, {"doing": DOING, "options": list(self.options)})

    def _take_back_claim(self) -> None:
        # What the earlier run made stays, and so does the word of it.
        if not self._takes_over:
            self._drop_claim()

    def _drop_claim(self) -> None:
        self.server.remove_claim(self._slug)

    def _pause(self) -> None:
        self._write_pause(self.school["config"]["pause_scheduler"])

    def _unpause(self) -> None:
        self._write_pause(None)

    def _write_pause(self, value: Any) -> None:
        self.server.merge_site_config(f"{self._live}/site_config.json", self._live, {"pause_scheduler": value})

    def _let_jobs_end(self) -> None:
        # The folder of a site whose job is at work must not go away under it.
        end = time.monotonic() + PATIENCE
        while count := int(self.server.run(redis.pending_jobs(self._slug)).stdout):
            if time.monotonic() >= end:
                raise SchoolctlError(
                    f"Could not close `{self._slug}`",
                    because=f"{count} of its jobs still wait or run after {PATIENCE:g} s",
                    hint="look at `docker logs schools-worker-short` and `schools-worker-long` there, then try again",
                )
            time.sleep(1)

    def _put_away(self) -> None:
        self.server.rename(self._live, self._archive)

    def _forget(self) -> None:
        # The bench may have written anything there; what is no database of ours has no keys of ours.
        if (name := self.server.database_of(self._archive)) and database.is_name(name):
            self.server.run(redis.forget_cache(name))
        self.server.run(redis.forget_jobs(self._slug))

    def _see_that_it_answers(self) -> None:
        expect_answer(self.server, self.school, f"`{self._slug}` is closed, but visitors are not told so")
