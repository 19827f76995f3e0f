"""`schoolctl doctor`."""

from dataclasses import asdict

import typer

from schoolctl.commands.options import AsJson, Slugs, chosen, context_of
from schoolctl.commands.status import show_troubles
from schoolctl.ui import Ui
from schoolctl.workflows.diagnose import Finding, Result
from schoolctl.workflows.step import Outcome

_OUTCOMES = {
    Result.WELL: Outcome.DONE,
    Result.ILL: Outcome.ILL,
    Result.UNKNOWN: Outcome.FAILED,
    Result.PASSED_OVER: Outcome.PASSED_OVER,
}


def doctor(typer_context: typer.Context, slugs: Slugs = None, as_json: AsJson = False) -> None:
    """Examine the server and its schools from every side, or some schools, and say what mends what is wrong.

    Whether names lead here, visitors get in, backups are made and proven, pages find scripts, styles and sockets, jobs
    run, mail can leave, PDFs have their pictures, and how long the disk takes. Each check has a time limit. Exit code 0
    if nothing has to be mended, else 1. Writes a little to the disk, and changes nothing.

    Example: schoolctl doctor tech-school
    """
    context = context_of(typer_context, as_json=as_json)
    schools, ui = chosen(context, slugs, every=not slugs, where=None), context.ui
    examination = context.examination(schools, lambda finding: _tell(ui, finding))
    findings = examination.run()
    troubles = [trouble for finding in findings for trouble in finding.seen.troubles]
    if ui.as_json:
        disk = asdict(examination.disk) if examination.disk else None
        facts = {"server": context.server.name, "disk": disk, "checks": list(map(_row, findings))}
        ui.data({**facts, "troubles": [asdict(trouble) for trouble in troubles]})
    else:
        show_troubles(ui, troubles, context.server.name)
        for note in (note for finding in findings for note in finding.seen.notes):
            ui.print(note)
    if troubles:
        raise typer.Exit(1)


def _tell(ui: Ui, finding: Finding) -> None:
    because = f": {finding.seen.passed_over}" if finding.seen.passed_over else ""
    ui.progress(f"{finding.check.title}{because}", _OUTCOMES[finding.result], finding.seconds)


def _row(finding: Finding) -> dict[str, object]:
    return {
        "check": finding.check.name,
        "title": finding.check.title,
        "result": finding.result.value,
        "because": finding.seen.passed_over or None,
        "notes": list(finding.seen.notes),
        "seconds": round(finding.seconds, 1),
    }
