"""Stand where requests come in, before Frappe's own application: gunicorn runs `lms_app.door:application`.

Frappe logs in whoever says `cmd=login`, to any address and by any method, and has done so before it asks its apps. How
often a password may be tried the edge limits where it sees that one is; into what is sent to the API it cannot look.
"""

import json
from functools import wraps
from io import BytesIO
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from frappe.app import application as application_of_frappe
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request, Response

# The edge's word for a request that its limits of logins have counted. Nobody but the edge can reach this door.
COUNTED = "HTTP_X_COUNTED_AT_DOOR"


def guarded(inner: WSGIApplication) -> WSGIApplication:
    """Return an application that hands on all requests but those that say `cmd` past the edge's limits."""

    @wraps(inner)
    def answer(environ: WSGIEnvironment, start_response: StartResponse):
        if environ.get(COUNTED) != "yes" and _says_cmd(environ):
            return _refusal()(environ, start_response)
        return inner(environ, start_response)

    return answer


def _says_cmd(environ: WSGIEnvironment) -> bool:
    """Say whether Frappe would find a `cmd`: read by the same library, in the same order."""
    with Request(environ, populate_request=False) as request:
        if "cmd" in request.args:
            return True
        if not request.content_type:
            return False
        content = request.get_data()
        # What has been read is gone, and Frappe reads it again.
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = BytesIO(content), str(len(content))
        try:
            said = json.loads(request.get_data(as_text=True)) if content and request.is_json else request.form
        except (ValueError, RecursionError, HTTPException):
            return False  # Frappe fails in the same way, before it logs anybody in.
        return isinstance(said, dict) and "cmd" in said


def _refusal() -> Response:
    told = {"exc_type": "ValidationError", "message": "What is called has to be named in the address, not by `cmd`."}
    headers = {"Cache-Control": "no-store"}
    return Response(json.dumps(told), 400, headers=headers, content_type="application/json")


application = guarded(application_of_frappe)
