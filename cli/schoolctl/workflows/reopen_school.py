"""Reopen a closed school: its folder comes back in one rename, as long as it was not purged."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schoolctl.errors import RefusedError
from schoolctl.remote.server import CLOSED, Server, Survey
from schoolctl.schools.model import School
from schoolctl.workflows.change_school import ChangeSchool
from schoolctl.workflows.claims import refuse_claim_of_others
from schoolctl.workflows.site_files import SiteFiles
from schoolctl.workflows.step import Step
from schoolctl.workflows.visitors import expect_answer, unanswered

DOING = "reopen"


@dataclass
class ReopenSchool:
    """Bring one school back as it was when it was closed.

    before, after: its row as it is and as it shall be. school: the facts of `after`. survey: of this run.
    Before the rename a failure takes all of it back; after it a later run goes on to the end.
    """

    server: Server
    schools_file: Path
    before: School
    after: School
    school: Mapping[str, Any]
    files: SiteFiles
    survey: Survey

    def __post_init__(self) -> None:
        """Name the places that the steps work on."""
        self._slug = self.after.slug
        self._live: str = self.school["site_dir"]
        self._archive = self.server.path("archive", self._slug + CLOSED)
        self._kept = self.survey.closed.get(self._slug)
        # A restored school may lie in its place while its row still says closed.
        self._fact = self._kept or self.survey.sites.get(self._slug)
        self._change = ChangeSchool(
            self.server, self.schools_file, self.before, self.after, self.school, self.files, self._fact
        )
        self._place = self._archive if self._kept else self._live

    def steps(self) -> list[Step]:
        """Return the story of reopening, in order."""
        return [
            Step("See that it was kept", is_done=self._may_begin, do=self._refuse_purged),
            Step("Claim the school", is_done=self._is_claimed, do=self._claim, undo=self._drop_claim),
            self._change.declaring(),
            Step("Write its site's settings", is_done=self._is_settled, do=self._settle, undo=self._unsettle),
            Step("Put it back in its place", is_done=self._is_back, do=self._put_back, commits=True),
            self.files.opening(),
            Step("See that it answers", is_done=self._answers, do=self._see_that_it_answers),
            Step("Close the claim", is_done=self._is_over, do=self._drop_claim),
        ]

    # --- facts -------------------------------------------------------------------------------------------------------

    def _may_begin(self) -> bool:
        refuse_claim_of_others(self.server, self._slug, DOING)
        return self._fact is not None

    def _is_claimed(self) -> bool:
        return self._kept is None or self.server.claim(self._slug) is not None

    def _is_settled(self) -> bool:
        wanted = {key: value for key, value in self.school["config"].items() if value is not None}
        return self._fact is not None and self._fact.config == wanted

    def _is_back(self) -> bool:
        return self._kept is None or not self.server.exists(self._archive)

    def _answers(self) -> bool:
        return unanswered(self.server, self.school) is None

    def _is_over(self) -> bool:
        return self._kept is None and self.server.claim(self._slug) is None

    # --- deeds -------------------------------------------------------------------------------------------------------

    def _refuse_purged(self) -> None:
        raise RefusedError(
            f"Could not reopen `{self._slug}`",
            because=f"nothing is kept of it on {self.server.name}",
            hint=f"`schoolctl restore {self._slug}` brings it back if there is a backup set",
        )

    def _claim(self) -> None:
        self.server.write_claim(self._slug, {"doing": DOING})

    def _drop_claim(self) -> None:
        self.server.remove_claim(self._slug)

    def _settle(self) -> None:
        self._merge(self.school["config"])

    def _unsettle(self) -> None:
        if self._fact is not None:
            self._merge({key: self._fact.config.get(key) for key in self.school["config"]})

    def _merge(self, changes: Mapping[str, Any]) -> None:
        self.server.merge_site_config(f"{self._place}/site_config.json", self._place, changes)

    def _put_back(self) -> None:
        self.server.rename(self._archive, self._live)

    def _see_that_it_answers(self) -> None:
        expect_answer(self.server, self.school, f"`{self._slug}` is back, but does not answer", within=60)
