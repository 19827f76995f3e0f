"""Commands that lms_app adds to bench."""

import io
import json
import os
import sys
import traceback
from typing import Any

import click
import frappe


@click.command("answer-calls")
def answer_calls() -> None:
    """Call functions of sites: one JSON object a line in, one a line out, until the input ends.

    In: id, site, function (its dotted path), arguments (an object), and stdin (what it shall read there). Out: the same
    id, and result, or fault with the reason. Each call is a transaction of its own. Who has many calls starts Frappe
    once, and what is secret travels by stdin alone.
    """
    # What apps print, and programs that they run, is no answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        call = json.loads(line)
        number = call.pop("id")
        print(json.dumps({"id": number, **_answer(**call)}), file=answers, flush=True)


def _answer(site: str, function: str, arguments: dict[str, Any], stdin: str) -> dict[str, Any]:
    own = sys.stdin
    sys.stdin = io.StringIO(stdin)
    try:
        frappe.init(site=site)
        frappe.connect()
        result = frappe.get_attr(function)(**arguments)
        frappe.db.commit()
    except Exception as fault:
        if not isinstance(fault, frappe.ValidationError):
            traceback.print_exc()
        return {"fault": f"{type(fault).__name__}: {fault}"}
    finally:
        # Closes the connection, which takes back what was not committed.
        frappe.destroy()
        sys.stdin = own
    return {"result": result}


commands = [answer_calls]
