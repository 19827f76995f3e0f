"""Give a school one more domain: a line in its row, its files written anew, no restart."""

from dataclasses import dataclass
from pathlib import Path

from schoolctl.errors import RefusedError, SchoolctlError
from schoolctl.remote.server import Server
from schoolctl.schools import store
from schoolctl.schools.model import Schools
from schoolctl.workflows.site_files import SiteFiles
from schoolctl.workflows.step import Step

# The canonical name shows the login page, an alias sends the visitor there.
ANSWERS = (200, 308)


def check_new_domain(schools: Schools, slug: str, domain: str) -> None:
    """Raise DeclarationError if a school may not have this domain: it is no host name, or another school's."""
    rows = {
        school.slug: {
            "title": school.title,
            "domain": school.domain,
            "aliases": [*school.aliases, *([domain] if school.slug == slug and domain not in school.hosts else [])],
        }
        for school in schools.values()
    }
    Schools(rows)


@dataclass
class AddDomain:
    """Write an alias into the row and let the edge answer to it; a failure takes both back.

    The school's site must be open already: the edge would send visitors to nothing.
    """

    server: Server
    schools_file: Path
    slug: str
    domain: str
    files: SiteFiles

    def steps(self) -> list[Step]:
        """Return the story of a new domain, in order."""
        return [
            Step("See that the school is open", is_done=self._open, do=self._refuse_unopened),
            Step("Write it into schools.yml", is_done=self._declared, do=self._declare, undo=self._take_back_row),
            Step(
                "Let the edge answer to it",
                is_done=self.files.are_in_force,
                do=self.files.write,
                undo=self.files.put_back,
            ),
            Step("See that it answers", is_done=self._answers, do=self._see_that_it_answers),
        ]

    def _open(self) -> bool:
        return self.server.exists(f"{self.files.school['site_dir']}/site_config.json")

    def _refuse_unopened(self) -> None:
        raise RefusedError(
            f"Could not add `{self.domain}` to `{self.slug}`",
            because=f"its site is not open on {self.server.name}",
            hint=f"run `schoolctl new-school {self.slug}` first",
        )

    def _declared(self) -> bool:
        return self.domain in store.load(self.schools_file)[self.slug].hosts

    def _declare(self) -> None:
        store.add_alias(self.schools_file, self.slug, self.domain)

    def _take_back_row(self) -> None:
        store.remove_alias(self.schools_file, self.slug, self.domain)

    def _answers(self) -> bool:
        return self.server.answers(self.domain, wanted=ANSWERS) in ANSWERS

    def _see_that_it_answers(self) -> None:
        status = self.server.answers(self.domain, wanted=ANSWERS, within=10)
        if status not in ANSWERS:
            raise SchoolctlError(
                f"`{self.domain}` does not answer",
                because=f"the edge of {self.server.name} gave {status or 'no answer'}",
                hint="look at `docker logs schools-edge` there",
            )
