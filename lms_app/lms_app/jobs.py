"""Give a site's scheduled jobs times of its own, and keep them through migrations.

Frappe goes by the cron expression in a job's row wherever there is one, whatever the job's frequency says. Migrating
makes rows anew whose expression is not that of the hooks, and forgets with them which jobs were stopped: so every row
gets the hooks' expression for the time of a migration.
"""

from collections.abc import Callable
from datetime import datetime

import frappe
from croniter import croniter
from frappe.core.doctype.scheduled_job_type.scheduled_job_type import ScheduledJobType
from frappe.utils import now_datetime

from lms_app.services import timetable


def spread() -> None:
    """Let each of the apps' jobs be due at times of this site's own."""
    _set_times(lambda job, stock: timetable.own_time(stock, job, frappe.conf.db_name))


def put_back() -> None:
    """Let each of the apps' jobs be due when its app says."""
    _set_times(lambda _, stock: stock)


def stop_idle() -> None:
    """Stop the jobs that no school needs to begin with; whoever needs one starts it again."""
    frappe.db.sql("UPDATE `tabScheduled Job Type` SET stopped = 1 WHERE method IN %s", (tuple(timetable.IDLE),))


def _set_times(choose: Callable[[str, str], str]) -> None:
    stock, now = _stock_times(), now_datetime()
    rows = frappe.db.sql("SELECT name, method, cron_format, last_execution FROM `tabScheduled Job Type`")
    for name, job, time, last in rows:
        if job not in stock or (chosen := choose(job, stock[job])) == time:
            continue
        frappe.db.sql("UPDATE `tabScheduled Job Type` SET cron_format = %s WHERE name = %s", (chosen, name))
        if last and _would_run_again(time or stock[job], chosen, last, now):
            frappe.db.sql("UPDATE `tabScheduled Job Type` SET last_execution = %s WHERE name = %s", (now, name))


def _would_run_again(before: str, after: str, last: datetime, now: datetime) -> bool:
    """Say whether a job that has run for this time by one expression would be due once more by another."""
    return croniter(before, last).get_next(datetime) > now >= croniter(after, last).get_next(datetime)


def _stock_times() -> dict[str, str]:
    """Return the cron expression of each job that the apps' hooks name."""
    times = {}
    for event, jobs in frappe.get_hooks("scheduler_events").items():
        if isinstance(jobs, dict):
            times |= {job: time for time, named in jobs.items() for job in named}
        elif time := _time_of(event.replace("_", " ").title()):
            times |= dict.fromkeys(jobs, time)
    return times


def _time_of(frequency: str) -> str | None:
    """Return what Frappe takes a frequency for, which only its way to the next execution knows."""
    job = frappe._dict(frequency=frequency, creation=now_datetime())
    ScheduledJobType.get_next_execution(job)
    return job.cron_format
