"""What the commands that change a school's row have in common: choose, check against all rows, do, report."""

from collections.abc import Callable, Sequence
from typing import Any

from schoolctl.context import Context
from schoolctl.errors import SchoolctlError
from schoolctl.schools.changes import Change, checked
from schoolctl.schools.model import School
from schoolctl.workflows.bulk import Report, raise_failures
from schoolctl.workflows.change_school import change_schools
from schoolctl.workflows.step import Outcome, Progress, run_steps


def change_chosen(
    context: Context,
    chosen: Sequence[School],
    verb: str,
    change: Change,
    *,
    dry_run: bool,
    certify: bool = False,
) -> None:
    """Change each chosen school and print what they are now; many share one reload of the edge.

    verb: the command with what follows the slugs, as the audit log shall have it; its first word is the wish.
    certify: see to their certificates even if their rows ask for the same as before.
    """
    slugs = [school.slug for school in chosen]
    wish, _, rest = verb.partition(" ")
    # What is wrong is said before the server is asked.
    possible, refused = _changed_rows(context, slugs, change)
    if not possible:
        show_changed(context, [Report(slug, fault=refused[slug]) for slug in slugs], wish)
        return
    about = f"`{slugs[0]}`" if len(slugs) == 1 else f"{len(slugs)} schools"
    context.reach()
    certifiable: list[School] = []
    try:
        with context.locked(" ".join([wish, *slugs, rest]).strip(), f"{wish} {about}", dry_run=dry_run) as server:
            # Read again under the lock: another command may have changed the rows meanwhile.
            rows, refused = _changed_rows(context, slugs, change)
            survey = server.survey()
            changes = [context.change(before, after, survey) for before, after in rows]
            results: dict[str, SchoolctlError | bool] = {**refused}
            if len(slugs) == 1:
                results |= {
                    one.after.slug: run_steps(one.steps(), context.ui.progress, dry_run=dry_run) for one in changes
                }
            else:
                results |= change_schools(server, changes, context.ui.progress, dry_run=dry_run)
            now = {school.slug: school for school in [*chosen, *(after for _, after in rows)]}
            if not dry_run:
                certifiable = [
                    after
                    for before, after in rows
                    if (certify or _wants_another_certificate(before, after))
                    and not isinstance(results[after.slug], SchoolctlError)
                ]
            # Under the lock, so that the audit log hears what went wrong.
            show_changed(context, [_report(context, now[slug], results[slug]) for slug in slugs], wish)
    finally:
        # Without the lock: an authority may be slow, and others have work to do.
        context.certify(certifiable)


def _wants_another_certificate(before: School, after: School) -> bool:
    return (before.hosts, before.certificate) != (after.hosts, after.certificate)


def _changed_rows(
    context: Context, slugs: Sequence[str], change: Change
) -> tuple[list[tuple[School, School]], dict[str, SchoolctlError]]:
    """Return the rows before and after, and why for some schools the change makes no sense."""
    schools = context.project.schools()
    befores, afters = [], []
    refused: dict[str, SchoolctlError] = {}
    for before in map(schools.named, slugs):
        try:
            afters.append(change(before))
        except SchoolctlError as fault:
            refused[before.slug] = fault
        else:
            befores.append(before)
    return list(zip(befores, checked(schools, *afters), strict=True)), refused


def show_changed(context: Context, reports: Sequence[Report], wish: str) -> None:
    """Print one school as facts and several as a table; raise what went wrong."""
    rows = [report.row for report in reports]
    if len(rows) == 1:
        raise_failures(reports, wish)
        context.ui.facts({key: value for key, value in rows[0].items() if key not in {"because", "seconds", "result"}})
        return
    context.ui.table(rows, ("slug", "result", "because"))
    raise_failures(reports, wish)


def progress_of(context: Context, count: int, *, dry_run: bool = False) -> tuple[Progress, Callable[[Report], None]]:
    """Return who hears of the steps of so many schools, and who hears of each school as it ends."""

    def tell(report: Report) -> None:
        if count > 1:  # one line a school: the steps of several at once would mix
            context.ui.progress(report.slug, Outcome.FAILED if report.fault else Outcome.DONE, report.seconds)

    return (context.ui.progress if count == 1 or dry_run else _silent), tell


def _silent(title: str, outcome: Outcome, seconds: float) -> None:
    pass


def _report(context: Context, school: School, result: SchoolctlError | bool) -> Report:
    if isinstance(result, SchoolctlError):
        return Report(school.slug, fault=result)
    facts: dict[str, Any] = {
        "slug": school.slug,
        "title": school.title,
        "url": context.url(school),
        "hosts": list(school.hosts),
        "state": school.state,
        "changed": result,
    }
    return Report(school.slug, facts)
