"""What somebody who may do everything in one school reaches of another: nothing, by keys, files, sockets or jobs.

One process serves all schools, so only real Frappe can show it.
"""

import base64
import hashlib
import json
import re
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import closing

import pytest
from journey import Journey
from neighbours import (
    ATTACKER,
    ATTACKER_HOST,
    CSRF,
    FILE,
    SECRET,
    SITES,
    VICTIM,
    VICTIM_HOST,
    Visitor,
    inside,
    planted,
    rendered,
    resource,
    site_config,
)
from raw_socket import RawSocket, WebSocket

USER = "mallory@tech-school.example"
PASSWORD = "a-password-of-this-test-only"
CONSOLE = "frappe.desk.doctype.system_console.system_console.execute_code"
NOBODY = {"", "Guest"}
# Without an order Frappe's list of jobs fails.
JOBS = resource("RQ Job", limit_page_length=500, order_by="creation desc")


@pytest.fixture(scope="module")
def key(attacker: Visitor) -> Iterator[str]:
    """Return an API key with its secret, of a System Manager of the attacker's school."""
    attacker.ask("DELETE", resource("User", USER))  # left by a run that was interrupted
    user = attacker.make(
        "User",
        email=USER,
        first_name="Mallory",
        send_welcome_email=0,
        new_password=PASSWORD,
        roles=[{"role": "System Manager"}],
    )
    secret = attacker.call("frappe.core.doctype.user.user.generate_keys", user=USER).json["message"]["api_secret"]
    key = attacker.get(resource("User", user["name"])).json["data"]["api_key"]
    yield f"{key}:{secret}"
    assert attacker.ask("DELETE", resource("User", USER)).status == 202


# --- keys -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["cookie", "query"])
def test_a_session_of_one_school_is_nobody_at_another(attacker: Visitor, victim: Visitor, way: str) -> None:
    for own, other in ((attacker, victim), (victim, attacker)):
        stranger = Visitor(own.lab, other.host, sid=own.sid if way == "cookie" else "")
        path = "/api/method/frappe.auth.get_logged_user" + (f"?sid={own.sid}" if way == "query" else "")

        assert own.who() == "Administrator"
        assert "Administrator" not in stranger.get(path).body


@pytest.mark.parametrize("scheme", ["token", "Basic"])
def test_an_api_key_of_one_school_is_unknown_at_another(
    attacker: Visitor, victim: Visitor, key: str, scheme: str
) -> None:
    words = {"Authorization": f"{scheme} {key if scheme == 'token' else base64.b64encode(key.encode()).decode()}"}

    assert attacker.guest().who(words) == USER
    assert victim.guest().get("/api/method/frappe.auth.get_logged_user", words).status == 401


def test_a_csrf_token_of_one_school_opens_no_form_of_another(attacker: Visitor, victim: Visitor) -> None:
    own, foreign = victim.headers[CSRF], attacker.headers[CSRF]
    assert own != foreign

    for token, status in ((foreign, 400), (own, 200)):
        assert victim.ask("POST", "/api/method/frappe.ping", {}, {CSRF: token}).status == status


def test_a_key_that_resets_a_password_works_at_its_own_school_only(
    lab: Journey, attacker: Visitor, victim: Visitor, key: str
) -> None:
    reset = hashlib.sha256(key.encode()).hexdigest()
    lab.sql(
        site_config(lab, ATTACKER)["db_name"],
        f"UPDATE tabUser SET reset_password_key = SHA2('{reset}', 256),"  # noqa: S608 - constants of this test
        f" last_reset_password_key_generated_on = NOW() + INTERVAL 1 DAY WHERE name = '{USER}';",
    )
    words = {"key": reset, "new_password": f"{PASSWORD}-2"}
    function = "frappe.core.doctype.user.user.update_password"

    assert victim.guest().call(function, **words).status == 410
    assert attacker.guest().call(function, **words).status == 200


def test_a_link_that_lets_in_once_lets_nobody_in_at_another_school(lab: Journey) -> None:
    link = urllib.parse.urlsplit(lab.json("login", ATTACKER)["url"])
    path = f"{link.path}?{link.query}"
    stranger, own = Visitor(lab, VICTIM_HOST), Visitor(lab, ATTACKER_HOST)

    assert stranger.get(path).status == 403
    assert stranger.who() in NOBODY
    own.get(path)
    assert own.who() == "Administrator"


def test_an_invitation_of_one_school_opens_nothing_at_another(
    attacker: Visitor, victim: Visitor, lesson: dict[str, str]
) -> None:
    path = victim.call("lms_app.api.enrolment.invite", course=lesson["course"]).json["message"]["path"]

    answer = attacker.call("lms_app.api.enrolment.accept_invitation", token=path.removeprefix("/i/"))

    assert (answer.status, answer.json["reason"]) == (409, "invitation_unknown")


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def private_file(victim: Visitor) -> Iterator[str]:
    """Return the address of the victim's private file, which the victim's school knows."""
    made = victim.make("File", file_name=FILE, is_private=1, content=SECRET)
    yield str(made["file_url"])
    victim.ask("DELETE", resource("File", made["name"]))


def test_a_private_file_of_another_school_is_not_read_with_one_s_own_session(
    attacker: Visitor, victim: Visitor, private_file: str
) -> None:
    function = "/api/method/frappe.core.doctype.file.file.download_file?"

    assert victim.get(private_file).body == SECRET
    for path in (private_file, function + urllib.parse.urlencode({"file_url": private_file})):
        answer = attacker.get(path)
        assert answer.status in {403, 404}
        assert SECRET not in answer.body


@pytest.fixture(scope="module")
def lesson(victim: Visitor) -> Iterator[dict[str, str]]:
    """Return a lesson of the victim's with a file, in a published course: course, file and url."""
    lead = {"user": "Administrator", "role": "Lead"}
    about = {"title": "Neighbours", "summary": "For the invited.", "enrolment_mode": "Invite", "instructors": [lead]}
    made = {"Academy Course": victim.make("Academy Course", **about)["name"]}
    made["Academy Module"] = victim.make("Academy Module", course=made["Academy Course"], title="One")["name"]
    text = {"status": "Published", "blocks": [{"kind": "Markdown", "body": "Boil water."}]}
    made["Academy Lesson"] = victim.make("Academy Lesson", module=made["Academy Module"], title="One", **text)["name"]
    published = victim.ask("PUT", resource("Academy Course", made["Academy Course"]), {"status": "Published"})
    assert published.status == 200, published.body
    attached = {"attached_to_doctype": "Academy Lesson", "attached_to_name": made["Academy Lesson"]}
    file = victim.make("File", file_name="neighbours-lesson.txt", content=SECRET, **attached)
    yield {"course": made["Academy Course"], "file": str(file["name"]), "url": str(file["file_url"])}
    victim.ask("DELETE", resource("File", file["name"]))
    of_course = [["course", "=", made["Academy Course"]]]
    for row in victim.get(resource("Academy Invitation", filters=of_course)).json["data"]:
        victim.ask("DELETE", resource("Academy Invitation", row["name"]))
    for doctype in reversed(made):
        victim.ask("DELETE", resource(doctype, made[doctype]))


def test_a_lesson_s_file_is_not_read_with_another_school_s_session(
    attacker: Visitor, victim: Visitor, lesson: dict[str, str]
) -> None:
    path = f"/learn/media/{lesson['file']}"

    assert victim.get(path).body == SECRET
    for stranger in (attacker, victim.guest()):
        for address in (path, lesson["url"]):
            answer = stranger.get(address)
            assert answer.status in {403, 404}
            assert SECRET not in answer.body


@pytest.mark.parametrize(
    "scheme", ["", "http://web:8000", "file://", "file:///home/frappe/frappe-bench/sites/tech-school"]
)
@pytest.mark.parametrize(
    "place", [f"/private/files/../../../{VICTIM}", f"/files/../../../{VICTIM}", f"{SITES}/{VICTIM}"]
)
def test_no_file_of_another_school_is_attached_by_its_path(
    attacker: Visitor, private_file: str, scheme: str, place: str
) -> None:
    address = f"{scheme}{place}{private_file}"
    answer = attacker.ask("POST", resource("File"), {"file_url": address, "is_private": "private" in place[:9]})
    if answer.status == 200:
        # An address is kept like a bookmark: nothing is fetched from it.
        made = answer.json["data"]
        function = "/api/method/frappe.core.doctype.file.file.download_file?"
        answer = attacker.get(function + urllib.parse.urlencode({"file_url": address}))
        attacker.ask("DELETE", resource("File", made["name"]))

    assert answer.status != 200
    assert SECRET not in answer.body


def test_a_file_that_became_a_link_is_not_sent_by_the_edge(lab: Journey, attacker: Visitor, private_file: str) -> None:
    own = attacker.make("File", file_name="neighbours-own.txt", is_private=1, content="their own")
    place = f"{ATTACKER}{own['file_url']}"
    try:
        assert attacker.get(own["file_url"]).body == "their own"
        with planted(lab, f"ln -sf {SITES}/{VICTIM}{private_file} {place}"):
            answer = attacker.get(own["file_url"])
            assert answer.status in {403, 404}
            assert SECRET not in answer.body
    finally:
        attacker.ask("DELETE", resource("File", own["name"]))


def asked_from_inside(address: str, headers: dict[str, str]) -> str:
    """Return the part of a template that asks for a page from inside the bench."""
    return f"answer: {{{{ frappe.make_get_request({address!r}, headers={headers}) }}}}"


def by_the_front_door(path: str, host: str, sid: str) -> str:
    """Return the part of a template that asks for a page as any visitor does, but from inside."""
    return asked_from_inside(f"http://edge:8080{path}", {"Host": host, "Cookie": f"sid={sid}"})


@pytest.mark.parametrize(
    "address",
    [
        "http://web:8000",
        "http://web",
        "http://localhost:8000",
        "http://unix:/run/web/gunicorn.sock:",
        "http+unix://%2Frun%2Fweb%2Fgunicorn.sock",
        "file:///run/web/gunicorn.sock",
        "http://edge:8090",
        f"http://edge:8090/{VICTIM}",
    ],
)
def test_a_template_does_not_reach_the_bench_past_the_edge(attacker: Visitor, address: str) -> None:
    """It would be believed about school and address there: without limits, at suspended schools and at copies."""
    ping = "/api/method/ping"
    inside = rendered(attacker, asked_from_inside(address + ping, {"X-Frappe-Site-Name": VICTIM}))

    assert "pong" in rendered(attacker, by_the_front_door(ping, ATTACKER_HOST, attacker.sid)), "it may ask at all"
    assert "pong" not in inside


def test_a_template_at_the_front_door_is_a_guest_at_another_school(attacker: Visitor) -> None:
    who = "/api/method/frappe.auth.get_logged_user"

    assert "Administrator" in rendered(attacker, by_the_front_door(who, ATTACKER_HOST, attacker.sid))
    assert "Administrator" not in rendered(attacker, by_the_front_door(who, VICTIM_HOST, attacker.sid))


def test_nobody_logs_in_by_a_word_in_a_call_that_the_edge_s_limits_do_not_count(attacker: Visitor) -> None:
    """Frappe takes `cmd` from what is sent to any address, and from a query; so does the listener for realtime."""
    name, password = "guessed@tech-school.example", "a-password-of-this-test-only"
    attacker.ask("DELETE", resource("User", name))  # left by a run that was interrupted
    attacker.make("User", email=name, first_name="Guessed", send_welcome_email=0, new_password=password)
    words = {"cmd": "login", "usr": name, "pwd": password}
    inner = f"http://edge:8090/{ATTACKER}/api/method/frappe.realtime.get_user_info"
    try:
        for method in ("POST", "GET", "PUT"):
            for path in ("/api/method/ping", "//api/method/ping", "/api/v2/method/ping", "/api/resource/User"):
                guest = attacker.guest()
                assert guest.ask(method, path, words).status == 400, f"{method} {path}"
                assert guest.who() in NOBODY
        for ask in (
            f"frappe.make_get_request('{inner}?{urllib.parse.urlencode(words)}')",
            f"frappe.make_post_request('{inner}', data={words})",
        ):
            assert "Logged In" not in (said := rendered(attacker, f"answer: {{{{ {ask} }}}}"))
            assert "No App" not in said
        guest = attacker.guest()
        assert guest.ask("POST", "/", words).status == 200
        assert guest.who() == name, "where the edge counts, it is how one logs in"
    finally:
        attacker.ask("DELETE", resource("User", name))


def test_a_template_gets_no_file_as_a_backup(attacker: Visitor) -> None:
    """Without the edge's header Frappe would open the file itself, wherever the path leads."""
    path = f"/backups/..%2f..%2f..%2f{VICTIM}/site_config.json"

    assert "encryption_key" not in rendered(attacker, by_the_front_door(path, ATTACKER_HOST, attacker.sid))


def test_a_template_gets_no_file_that_it_forged(lab: Journey, attacker: Visitor) -> None:
    path = f"/private/files/..%2f..%2f..%2f{VICTIM}/site_config.json"
    forged = attacker.make("File", file_name="neighbours-own.txt", is_private=1, content="their own")
    address = urllib.parse.unquote(path)
    try:
        said = rendered(
            attacker,
            f"{{% set forged = frappe.db.set_value('File', '{forged['name']}', 'file_url', '{address}') %}}"
            "{% set forged = frappe.db.commit() %}" + by_the_front_door(path, ATTACKER_HOST, attacker.sid),
        )
    finally:
        database = site_config(lab, ATTACKER)["db_name"]
        [kept] = lab.sql(database, f"SELECT file_url FROM tabFile WHERE name = '{forged['name']}';")  # noqa: S608
        lab.sql(database, f"DELETE FROM tabFile WHERE name = '{forged['name']}';")  # noqa: S608 - a name of the lab
        lab.on_server("rm", f"/srv/schools/sites/{ATTACKER}{forged['file_url']}")

    assert kept == address, "it could be forged"
    assert "encryption_key" not in said


@pytest.mark.parametrize("way", ["iframe", "img", "object", "header"])
def test_a_page_that_is_printed_shows_no_file_of_another_school(
    lab: Journey, attacker: Visitor, private_file: str, way: str
) -> None:
    address = f"file://{SITES}/{VICTIM}{private_file}"
    frame = f"<iframe src='{address}' width='900' height='400'></iframe>"
    page = {
        "iframe": frame,
        "img": f"<img src='{address}'>",
        "object": f"<object data='{address}' type='text/plain' width='900' height='400'></object>",
        "header": f"<div id='header-html'>{frame}</div>",
    }[way]
    printed = attacker.call(
        "frappe.utils.print_format.report_to_pdf",
        html=f"<html><head></head><body><p>printed</p>{page}</body></html>",
    )
    if printed.content.startswith(b"%PDF"):
        read = (
            "import base64, io, pypdf, sys\n"
            "document = pypdf.PdfReader(io.BytesIO(base64.b64decode(sys.stdin.read())))\n"
            "print(*(page.extract_text() for page in document.pages))\n"
        )
        words = base64.b64encode(printed.content).decode()
        said = " ".join(inside(lab, "schools-tools", "python3", "-c", read, stdin=words).stdout.split())
        assert "printed" in said
        assert SECRET not in said
    else:
        assert printed.status in {417, 500}, "it was not printed at all"
        assert SECRET not in printed.body


@pytest.mark.parametrize("path", [f"{VICTIM}/site_config.json", f"/{SITES}/{VICTIM}/site_config.json"])
def test_a_mail_embeds_no_settings_of_another_school(lab: Journey, attacker: Visitor, path: str) -> None:
    database = site_config(lab, ATTACKER)["db_name"]
    queued = "SELECT message LIKE '%site_config%' FROM `tabEmail Queue` WHERE message LIKE '%Subject: neighbours%';"
    account = {"doctype": "Email Account", "name": "neighbours", "email_id": "neighbours@example.com"}
    account |= {"enable_outgoing": 1, "default_outgoing": 1, "smtp_server": "127.0.0.1"}
    rendered(attacker, f"{{% set account = frappe.get_doc({account}).db_insert() %}}")
    try:
        for content in ("plain", f"<img embed='{path}'>"):
            words = f"recipients=['mallory@example.com'], subject='neighbours', message=\"{content}\""
            rendered(attacker, f"{{% set mail = frappe.sendmail({words}) %}}")
        sent = lab.sql(database, queued)
    finally:
        lab.sql(database, queued.replace("SELECT message LIKE '%site_config%'", "DELETE"))
        lab.sql(database, "DELETE FROM `tabEmail Queue Recipient` WHERE recipient = 'mallory@example.com';")
        lab.sql(database, "DELETE FROM `tabEmail Account` WHERE name = 'neighbours';")

    assert sent == ["0"], "the plain mail alone"


def test_a_package_that_a_school_uploads_is_not_unpacked(attacker: Visitor) -> None:
    """A link in one package, and in the next a file behind it: tar would write that into the neighbour's folder."""
    answer = attacker.ask("POST", resource("Package Import"), {"activate": 1})

    assert answer.status == 403
    assert "cannot be imported" in answer.body


# --- events -----------------------------------------------------------------------------------------------------------


def ring(lab: Journey, slug: str, *rooms: str) -> None:
    """Publish an event in some rooms of a school, as Frappe does."""
    program = (
        "import json, redis, sys\n"
        "conf = json.load(open('sites/common_site_config.json'))\n"
        "queue = redis.from_url(conf['redis_queue'])\n"
        "for room in sys.argv[2:]:\n"
        "    said = {'event': 'bell', 'message': {'of': sys.argv[1]}, 'room': room, 'namespace': sys.argv[1]}\n"
        "    queue.publish('events', json.dumps(said))\n"
    )
    done = inside(lab, "schools-tools", "python3", "-", slug, *rooms, stdin=program)
    assert done.returncode == 0, done.stderr


def socket_of(lab: Journey, host: str, sid: str, **headers: str) -> RawSocket:
    own = {"Host": f"{host}:{lab.port}", "Origin": f"http://{host}:{lab.port}", "Cookie": f"sid={sid}"}
    return RawSocket(lab, {**own, **{name.replace("_", "-"): value for name, value in headers.items()}})


ROOMS = ("all", "website", "user:Administrator", "user:Guest", "doctype:User", "doc:User/Administrator")


def test_a_socket_of_one_school_hears_nothing_of_another_whatever_it_says(lab: Journey, attacker: Visitor) -> None:
    own = socket_of(lab, ATTACKER_HOST, attacker.sid)
    sockets = [
        socket_of(lab, ATTACKER_HOST, attacker.sid, **headers) for headers in ({}, {"X_Frappe_Site_Name": VICTIM})
    ]
    for one in (own, *sockets):
        assert one.open() == 200
    own.say(f"40/{ATTACKER},")
    for one in sockets:
        one.say(f"40/{VICTIM},")
    time.sleep(1)  # until the server has asked who that is
    for one in sockets:
        # It was refused, and goes on as if it had not been.
        for words in (
            ["doctype_subscribe", "User"],
            ["doc_subscribe", "User", "Administrator"],
            ["task_subscribe", "1"],
        ):
            one.say(f"42/{VICTIM},{json.dumps(words)}")
    time.sleep(1)
    ring(lab, ATTACKER, *ROOMS)
    ring(lab, VICTIM, *ROOMS)

    assert f'42/{ATTACKER},["bell"' in own.heard(2)
    for one in sockets:
        said = one.heard(2)
        assert f"44/{VICTIM}," in said, said
        assert "bell" not in said


def test_a_session_of_one_school_is_a_guest_s_socket_at_another(lab: Journey, attacker: Visitor) -> None:
    stranger = socket_of(lab, VICTIM_HOST, attacker.sid)
    assert stranger.open() == 200
    stranger.say(f"40/{VICTIM},")
    time.sleep(1)
    for words in (["doctype_subscribe", "User"], ["doc_subscribe", "User", "Administrator"]):
        stranger.say(f"42/{VICTIM},{json.dumps(words)}")
    time.sleep(1)
    ring(lab, VICTIM, "all", "user:Administrator", "doctype:User", "doc:User/Administrator")

    assert "bell" not in stranger.heard(2)


def test_a_socket_of_one_school_is_not_opened_from_a_page_of_another(lab: Journey, attacker: Visitor) -> None:
    for host, origin in ((ATTACKER_HOST, VICTIM_HOST), (VICTIM_HOST, ATTACKER_HOST)):
        for headers in ({"Origin": f"http://{origin}:{lab.port}"}, {"Origin": "null"}):
            assert (
                RawSocket(lab, {"Host": f"{host}:{lab.port}", "Cookie": f"sid={attacker.sid}", **headers}).open() == 403
            )


def web_socket_of(lab: Journey, host: str, sid: str, **headers: str) -> WebSocket:
    own = {"Host": f"{host}:{lab.port}", "Origin": f"http://{host}:{lab.port}", "Cookie": f"sid={sid}"}
    return WebSocket(lab.port, own | headers)


def test_a_browser_hears_its_own_school_alone_over_a_websocket(
    lab: Journey, attacker: Visitor, victim: Visitor
) -> None:
    """From the first packet on: this way browsers take once they know it, and other clients from the start."""
    with (
        closing(web_socket_of(lab, VICTIM_HOST, victim.sid)) as own,
        closing(web_socket_of(lab, ATTACKER_HOST, attacker.sid)) as other,
    ):
        for one, slug in ((own, VICTIM), (other, ATTACKER)):
            assert one.open() == 101
            assert '"pingInterval"' in one.heard(10, until="0{")
            one.say(f"40/{slug},")
            assert f"40/{slug}," in one.heard(10, until=f"40/{slug},")
        other.say(f"40/{VICTIM},")
        assert f"44/{VICTIM}," in other.heard(10, until=f"44/{VICTIM},")
        ring(lab, VICTIM, *ROOMS)

        assert '"bell"' in own.heard(15, until=f'42/{VICTIM},["bell"')
        assert "bell" not in other.heard(2)


@pytest.mark.parametrize("origin", [ATTACKER_HOST, "evil.example", ""])
def test_a_websocket_is_not_opened_from_a_page_of_somebody_else(lab: Journey, victim: Visitor, origin: str) -> None:
    stranger = web_socket_of(lab, VICTIM_HOST, victim.sid, Origin=f"http://{origin}:{lab.port}" if origin else "null")
    with closing(stranger):
        assert stranger.open() == 403


def test_a_template_cannot_speak_to_the_realtime_server(attacker: Visitor) -> None:
    """It believes whatever Origin it is told to ask; past the edge, that would be one that the attacker chose."""
    said = rendered(
        attacker,
        "answer: {{ frappe.make_get_request('http://realtime:9000/socket.io/?EIO=4&transport=polling',"
        f" headers={{'Host': 'edge', 'Origin': 'http://edge:8090/{ATTACKER}', 'X-Frappe-Site-Name': '{VICTIM}'}}) }}}}",
    )

    assert "pingInterval" not in said
    assert "realtime" in said, "the bench says that it found no such host"


# --- jobs and scripts -------------------------------------------------------------------------------------------------


def test_a_school_cannot_run_python_in_the_bench(attacker: Visitor) -> None:
    console = {"doctype": "System Console", "type": "Python", "console": "log('it ran')"}
    said = attacker.call(CONSOLE, doc=json.dumps(console)).json["message"]["output"]

    assert "ServerScriptNotEnabled" in said
    assert "it ran" not in said.splitlines()


def enqueue(visitor: Visitor, job: str) -> None:
    """Put a job into the queue, as a template may, with every word that could lead it elsewhere."""
    words = f"site='{VICTIM}', user='Administrator', queue='short', job_id='{job}', job_name='{VICTIM}::neighbours'"
    assert "Error" not in rendered(visitor, f"{{% set _ = frappe.enqueue('frappe.ping', {words}) %}}queued")


def test_a_job_runs_in_the_school_that_asked_for_it(attacker: Visitor, victim: Visitor) -> None:
    enqueue(attacker, f"../{VICTIM}::neighbours")
    name = f"{ATTACKER}::../{VICTIM}::neighbours"
    job = attacker.call("frappe.client.get", doctype="RQ Job", name=name).json["message"]

    assert json.loads(job["arguments"])["site"] == ATTACKER
    assert victim.call("frappe.client.get", doctype="RQ Job", name=name).status == 403
    assert name not in victim.get(JOBS).body


def test_no_school_sees_stops_or_removes_a_job_of_another(attacker: Visitor, victim: Visitor) -> None:
    enqueue(victim, "neighbours")
    name = f"{VICTIM}::neighbours"

    assert name in victim.get(JOBS).body
    assert [job["name"] for job in attacker.get(JOBS).json["data"] if not job["name"].startswith(f"{ATTACKER}::")] == []
    for function, words in (
        ("frappe.client.get", {"doctype": "RQ Job", "name": name}),
        ("frappe.client.delete", {"doctype": "RQ Job", "name": name}),
        ("frappe.core.doctype.rq_job.rq_job.stop_job", {"job_id": name}),
        ("run_doc_method", {"dt": "RQ Job", "dn": name, "method": "stop_job"}),
    ):
        answer = attacker.call(function, **words)
        assert answer.status == 403, f"{function}: {answer.body}"


def test_what_a_school_asks_of_its_database_by_http_stays_in_its_own(lab: Journey, attacker: Visitor) -> None:
    database = site_config(lab, VICTIM)["db_name"]
    for question in (
        f"SELECT password FROM `{database}`.`__Auth`",  # noqa: S608 - a name of the lab
        "SELECT * FROM mysql.global_priv",
        "WITH x AS (SELECT 1) SELECT user, info FROM information_schema.processlist WHERE user NOT LIKE 'sch%'",
        "SELECT schema_name FROM information_schema.schemata",
    ):
        console = {"doctype": "System Console", "type": "SQL", "console": question}
        said = attacker.call(CONSOLE, doc=json.dumps(console)).json["message"]["output"]
        assert re.search(r"denied|\[\]", said) or database not in said
        assert not re.search(r'"(?:password|Priv|info)": "', said), said
