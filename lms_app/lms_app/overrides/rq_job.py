"""Show a school its own background jobs, and none of a neighbour whose name begins with its own.

Frappe goes by the beginning of a job's id: `art` would read the jobs of `art-school` with all that they carry, and
could remove those that failed.
"""

import sys
from collections.abc import Mapping
from typing import Any

import frappe
from frappe.core.doctype.rq_job.rq_job import RQJob
from frappe.utils import cint

PAGE = 20


class OwnRQJob(RQJob):
    """A background job of this site."""

    @staticmethod
    def get_list(args: Mapping[str, Any] | None = None, **asked: Any) -> list[frappe._dict]:
        """Return a page of this site's jobs; version-15 asks with one mapping, later lines with keywords."""
        asked = dict(args or asked)
        start = cint(asked.get("start"))
        return _own_jobs(asked)[start : start + (cint(asked.get("page_length")) or PAGE)]

    @staticmethod
    def get_count(args: Mapping[str, Any] | None = None, **asked: Any) -> int:
        """Return how many jobs of this site there are."""
        return len(_own_jobs(dict(args or asked)))


@frappe.whitelist(methods=["POST"])
def remove_failed_jobs() -> None:
    """Remove this site's jobs that failed."""
    frappe.only_for("System Manager")
    for job in _own_jobs({"filters": [["RQ Job", "status", "=", "failed"]]}):
        frappe.get_doc("RQ Job", job.name).delete()


def _own_jobs(asked: dict[str, Any]) -> list[frappe._dict]:
    every = asked | {"start": 0, "page_length": sys.maxsize}
    jobs = frappe.call(RQJob.get_list, args=every, **every)
    return [job for job in jobs if job.name.startswith(f"{frappe.local.site}::")]
