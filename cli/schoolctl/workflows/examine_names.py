"""Examine where the schools' names lead."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from schoolctl.remote.dns import Finding, Verdict
from schoolctl.workflows.diagnose import Seen
from schoolctl.workflows.trouble import Trouble


def see_names(schools: Sequence[Mapping[str, Any]], look_up: Callable[[Sequence[str]], Sequence[Finding]]) -> Seen:
    """See whether each name that can be in the DNS leads to the server."""
    owners = {str(host): str(school["slug"]) for school in schools for host in school["hosts"]}
    findings = look_up([*owners])
    if not findings:
        return Seen(passed_over="no DNS can know these names, or this server")
    return Seen([_trouble(finding, owners[finding.domain]) for finding in findings if finding.fact])


def _trouble(finding: Finding, slug: str) -> Trouble:
    if finding.verdict is Verdict.ELSEWHERE:
        what = f"Visitors of `{slug}` are led elsewhere"
    else:
        what = f"Nobody can say whether visitors of `{slug}` are led here"
    mend = f"{finding.advice}, then" if finding.advice else "from a place with a DNS run"
    return Trouble(what, finding.fact, f"{mend} `schoolctl doctor {slug}`", (slug,))
