import json
from io import BytesIO
from urllib.parse import urlencode

from frappe.app import application as application_of_frappe
from werkzeug.datastructures import FileStorage
from werkzeug.test import Client, TestResponse, create_environ, encode_multipart, run_wsgi_app
from werkzeug.wrappers import Request, Response

from lms_app import door
from lms_app.tests.site_case import SiteTestCase

PING = "/api/method/ping"
LOGIN = {"cmd": "login", "usr": "ada@example.com", "pwd": "guess"}
FORM = "application/x-www-form-urlencoded"
COUNTED = {"X-Counted-At-Door": "yes"}


@Request.application
def frappe_s_reading(request: Request) -> Response:
    """Answer with what Frappe would take for what was said, read as it reads it."""
    content = request.get_data(as_text=True)
    said = json.loads(content) if content and request.is_json else {**request.args, **request.form}
    files = {name: file.read().decode() for name, file in request.files.items()}
    return Response(json.dumps({"said": said, "files": files}), content_type="application/json")


def send(method: str = "POST", path: str = PING, **request: object) -> TestResponse:
    return Client(door.guarded(frappe_s_reading)).open(path, method=method, **request)


class TestDoor(SiteTestCase):
    def test_gunicorn_finds_frappe_behind_it(self):
        self.assertIs(door.application.__wrapped__, application_of_frappe)

    def test_nothing_is_called_by_cmd_past_the_edge_s_limits_however_it_is_written(self):
        quoted = urlencode(LOGIN).replace("cmd", "%63m%64")
        escaped = json.dumps(LOGIN).replace("cmd", "\\u0063md")
        boundary, multipart = encode_multipart({**LOGIN, "file": FileStorage(BytesIO(b"x"), "x.txt")})
        ways = {
            "form": {"data": LOGIN},
            "quoted": {"data": quoted, "content_type": FORM},
            "twice": {"data": "cmd=&cmd=login", "content_type": f"{FORM}; charset=latin-1"},
            "multipart": {"data": multipart, "content_type": f"multipart/form-data; boundary={boundary}"},
            "JSON": {"json": LOGIN},
            "escaped": {"data": escaped, "content_type": "application/vnd.api+json; charset=utf-8"},
            "query": {"query_string": quoted},
            "query with a form": {"query_string": LOGIN, "data": {"usr": "ada"}},
        }
        for name, way in ways.items():
            for method in ("POST", "GET", "HEAD", "PUT", "DELETE"):
                for path in (PING, "//api/method/ping", "/api/v2/method/ping", "/login"):
                    with self.subTest(way=name, method=method, path=path):
                        self.assertEqual(send(method, path, **way).status_code, 400)
                        self.assertEqual(send(method, path, **way, headers=COUNTED).status_code, 200)

    def test_a_refusal_says_what_to_do_instead(self):
        answer = send(data=LOGIN)
        self.assertIn("named in the address", answer.json["message"])
        self.assertEqual(answer.headers["Cache-Control"], "no-store")

    def test_what_does_not_say_cmd_is_read_by_frappe_as_it_was_sent(self):
        large = {"text": "x" * 300_000}
        for name, request, said in (
            ("form", {"data": {"usr": "ada", "cmds": "1"}}, {"usr": "ada", "cmds": "1"}),
            ("JSON", {"json": {"a": {"cmd": 1}}}, {"a": {"cmd": 1}}),
            ("a list", {"json": ["cmd"]}, ["cmd"]),
            ("large", {"json": large}, large),
            ("query", {"query_string": {"a": "1"}}, {"a": "1"}),
            ("no kind", {"data": b"cmd=login", "content_type": None}, {}),
        ):
            with self.subTest(name):
                answer = send(**request)
                self.assertEqual((answer.status_code, answer.json["said"]), (200, said))

    def test_an_upload_arrives_whole(self):
        answer = send(data={"is_private": "1", "file": (BytesIO(b"cmd=login" * 100_000), "x.txt")})
        self.assertEqual(answer.json, {"said": {"is_private": "1"}, "files": {"file": "cmd=login" * 100_000}})

    def test_what_comes_in_pieces_is_read_to_its_end(self):
        for form, status in (("usr=ada", "200 OK"), (urlencode(LOGIN), "400 BAD REQUEST")):
            environ = create_environ(PING, method="POST", content_type=FORM, input_stream=BytesIO(form.encode()))
            del environ["CONTENT_LENGTH"]
            environ |= {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
            content, found, _ = run_wsgi_app(door.guarded(frappe_s_reading), environ)
            self.assertEqual(found, status)
        self.assertTrue(b"".join(content))

    def test_what_nobody_can_read_is_left_to_frappe_to_refuse(self):
        for request in ({"data": "{", "content_type": "application/json"}, {"data": b"x", "content_type": FORM}):
            answers = [Client(one).post(PING, **request) for one in (counting, door.guarded(counting))]
            self.assertEqual([answer.data for answer in answers], [answers[0].data] * 2)


@Request.application
def counting(request: Request) -> Response:
    """Answer with what came."""
    return Response(request.get_data())
