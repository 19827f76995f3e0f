"""Every verb of a school's life, on the schools that the journey opened: each test goes on where the last one ended."""

import base64
import datetime
import http.client
import json
import re
import urllib.parse
from collections.abc import Iterator, Mapping

import pytest
from journey import Journey, Page

TECH, CUISINE = "tech-school", "cuisine-school"
TECH_HOST, CUISINE_HOST = "tech-school.com", "cuisine-school.com"
OTHER_HOST = "tech-school.example"  # an alias since the journey's first part
COPY = "tech-copy"
COPY_HOST = "copy.tech-school.example"
DRIFT = 10
CONF = "/srv/schools/edge/conf"


@pytest.fixture(autouse=True)
def _nothing_is_left_to_do(lab: Journey, request: pytest.FixtureRequest) -> Iterator[None]:
    """After each verb neither plan nor Ansible sees a difference, and the neighbour answers as before."""
    yield
    assert lab.json("plan") == [], request.node.name
    assert lab.changes_left_for_ansible("schools") == [], request.node.name
    page = lab.visit(CUISINE_HOST)
    assert page is not None
    assert page.status == 200


def visit(lab: Journey, host: str, path: str = "/login", headers: Mapping[str, str] | None = None) -> Page:
    page = lab.visit(host, path, headers)
    assert page is not None, f"{host} gave no answer"
    return page


def row(lab: Journey, slug: str) -> dict[str, object]:
    return next(row for row in lab.json("schools") if row["slug"] == slug)


def database(lab: Journey, slug: str = TECH) -> str:
    return str(row(lab, slug)["database"])


def bench(lab: Journey, *arguments: str) -> str:
    return lab.schoolctl("bench", TECH, "--", *arguments).stdout.strip()


def post(lab: Journey, host: str, path: str, fields: Mapping[str, str]) -> tuple[int, str]:
    """Send a form as a browser does; return status and cookies."""
    connection = http.client.HTTPConnection("127.0.0.1", lab.port, timeout=60)
    try:
        headers = {"Host": f"{host}:{lab.port}", "Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", path, urllib.parse.urlencode(fields), headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status, " ".join(value for name, value in answer.getheaders() if name.lower() == "set-cookie")
    finally:
        connection.close()


def only_real(lab: Journey) -> None:
    if not lab.is_real:
        pytest.skip("only real Frappe can show it")


# --- how a school begins ----------------------------------------------------------------------------------------------


def test_a_school_with_a_locale_is_set_up_and_asks_nothing_at_the_first_login(lab: Journey) -> None:
    only_real(lab)
    for slug, country, language in ((TECH, "Ireland", "en"), (CUISINE, "France", "fr")):
        name = database(lab, slug)
        [company] = lab.sql(name, "SELECT company_name, country, default_currency FROM tabCompany;")
        assert company.split("\t")[1:] == [country, "EUR"]
        singles = lab.sql(name, "SELECT field, value FROM tabSingles WHERE doctype = 'System Settings';")
        settings = dict(line.split("\t", 1) for line in singles if "\t" in line)
        assert (settings["setup_complete"], settings["language"]) == ("1", language)
        today = datetime.datetime.now(datetime.UTC).date().isoformat()
        years = lab.sql(name, "SELECT year_start_date, year_end_date FROM `tabFiscal Year`;")
        assert [line for line in years if line.split("\t")[0] <= today <= line.split("\t")[1]], years


def test_a_login_link_lets_in_once(lab: Journey) -> None:
    link = lab.json("login", TECH)
    parts = urllib.parse.urlsplit(link["url"])
    assert parts.netloc == f"{TECH_HOST}:{lab.port}"
    first = visit(lab, TECH_HOST, f"{parts.path}?{parts.query}")
    assert first.status in {200, 302, 303}
    assert visit(lab, TECH_HOST, f"{parts.path}?{parts.query}").status == 403


@pytest.mark.parametrize(("slug", "host"), [(TECH, TECH_HOST), (CUISINE, CUISINE_HOST)])
def test_a_new_password_lets_in_and_the_old_one_no_more(lab: Journey, slug: str, host: str) -> None:
    only_real(lab)
    old = lab.json("reset-password", slug)["password"]
    new = lab.json("reset-password", slug)["password"]
    status, cookies = post(lab, host, "/api/method/login", {"usr": "Administrator", "pwd": new})
    assert status == 200
    session = re.findall(r"\bsid=[^;]+", cookies)
    desk = visit(lab, host, "/app", {"Cookie": session[0]})
    assert desk.status == 200
    assert "frappe.boot" in desk.body
    assert post(lab, host, "/api/method/login", {"usr": "Administrator", "pwd": old})[0] == 401
    traces = lab.on_server("sh", "-c", "cat /srv/schools/audit.log; cat /srv/schools/journal/*/* 2>/dev/null || true")
    assert new not in traces
    ticking = lab.schoolctl("bench", slug, "--", "execute", "frappe.utils.scheduler.is_scheduler_inactive").stdout
    assert ticking.strip() == "", "bench prints nothing of an answer that is false"


# --- names ------------------------------------------------------------------------------------------------------------


def test_guests_are_given_one_page_and_who_logs_in_right_after_is_given_his_own(lab: Journey) -> None:
    def guest(path: str, headers: Mapping[str, str] | None = None) -> Page:
        page = lab.visit(TECH_HOST, path, headers, made_now=False)
        assert page is not None
        return page

    for path in ("/learn", "/login"):
        page = [guest(path) for _ in range(4)][-1]
        log = lab.on_server("docker", "logs", "--since", "1m", "schools-edge")
        asked = [json.loads(line) for line in log.splitlines() if f'"path":"{path}"' in line]
        assert asked[-1]["upstream_status"] == "", "the edge had it"
        assert page.body == visit(lab, TECH_HOST, path).body
        assert "sid=" not in page.headers.get("set-cookie", "")
    only_real(lab)
    french = {"Accept-Language": "fr"}
    assert [guest("/login", french) for _ in range(4)][-1].body == visit(lab, TECH_HOST, "/login", french).body
    password = lab.json("reset-password", TECH)["password"]
    greeted = {"Cookie": "user_id=Guest; full_name=Guest"}
    assert "/?cmd=web_logout" not in guest("/learn", greeted).body
    status, cookies = post(lab, TECH_HOST, "/api/method/login", {"usr": "Administrator", "pwd": password})
    assert status == 200
    session = re.findall(r"\bsid=[^;]+", cookies)[0]
    assert "/?cmd=web_logout" in guest("/learn", {"Cookie": f"{greeted['Cookie']}; {session}"}).body
    assert "/?cmd=web_logout" not in guest("/learn", greeted).body


def test_another_domain_becomes_canonical_and_the_old_one_leads_to_it(lab: Journey) -> None:
    lab.schoolctl("set-primary", TECH, OTHER_HOST)
    assert visit(lab, OTHER_HOST).status == 200
    old = visit(lab, TECH_HOST, "/learn?x=1")
    assert (old.status, old.headers["location"]) == (308, f"http://{OTHER_HOST}:{lab.port}/learn?x=1")


def test_what_a_school_writes_names_its_canonical_domain(lab: Journey) -> None:
    only_real(lab)
    assert json.loads(bench(lab, "execute", "frappe.utils.get_url")) == f"http://{OTHER_HOST}:{lab.port}"
    sitemap = visit(lab, OTHER_HOST, "/sitemap.xml")
    assert f"http://{OTHER_HOST}" in sitemap.body
    assert TECH_HOST + "/" not in sitemap.body


def test_the_first_domain_can_be_canonical_again(lab: Journey) -> None:
    lab.schoolctl("set-primary", TECH, TECH_HOST)
    assert visit(lab, TECH_HOST).status == 200


def test_a_removed_domain_gets_no_answer_any_more(lab: Journey) -> None:
    lab.schoolctl("remove-domain", TECH, OTHER_HOST)
    assert lab.visit(OTHER_HOST) is None
    refused = lab.schoolctl("remove-domain", TECH, TECH_HOST, code=5)
    assert "set-primary" in refused.stderr


def test_a_new_title_is_what_people_read(lab: Journey) -> None:
    lab.schoolctl("rename", TECH, "School of Tech")
    assert "School of Tech" in visit(lab, TECH_HOST, "/learn").body
    lab.schoolctl("rename", TECH, "Tech School")
    assert "Tech School" in visit(lab, TECH_HOST, "/learn").body


# --- rest and limits --------------------------------------------------------------------------------------------------


def test_a_suspended_school_shows_its_page_and_its_jobs_rest(lab: Journey) -> None:
    with lab.hammered(CUISINE_HOST) as hammer:
        lab.schoolctl("suspend", TECH)
        page = visit(lab, TECH_HOST, "/app")
        assert page.status == 503
        assert "Tech School is paused" in page.body
        if lab.is_real:
            assert bench(lab, "execute", "frappe.utils.scheduler.is_scheduler_inactive") == "true"
    assert hammer.failures == []


def test_a_resumed_school_is_as_it_was(lab: Journey) -> None:
    lab.schoolctl("resume", TECH)
    assert visit(lab, TECH_HOST).status == 200
    if lab.is_real:
        # bench prints nothing of an answer that is false.
        assert bench(lab, "execute", "frappe.utils.scheduler.is_scheduler_inactive") == ""


def test_many_schools_are_suspended_and_resumed_with_one_reload_each(lab: Journey) -> None:
    def tree() -> str:
        return lab.on_server("readlink", "/srv/schools/edge/live")

    before = tree()
    lab.schoolctl("suspend", "--all")
    assert {visit(lab, host).status for host in (TECH_HOST, CUISINE_HOST)} == {503}
    between = tree()
    lab.schoolctl("resume", "--where", "state=suspended")
    assert {visit(lab, host).status for host in (TECH_HOST, CUISINE_HOST)} == {200}
    assert len({before, between, tree()}) == 3


def test_a_quota_is_in_force_at_database_edge_and_bench(lab: Journey) -> None:
    lab.schoolctl("quota", TECH, "--cpu-seconds", "3600", "--file-mb", "60", "--connections", "20")
    assert f"{database(lab)}\t20" in lab.sql("mysql", "SELECT user, max_user_connections FROM user;")
    config = json.loads(lab.on_server("cat", f"/srv/schools/sites/{TECH}/site_config.json"))
    assert config["rate_limit"] == {"limit": 3600, "window": 86400}
    assert config["max_file_size"] == 60 * 1024 * 1024
    if lab.is_real:
        assert visit(lab, TECH_HOST).headers["x-ratelimit-limit"] == str(3600 * 10**6)
    lab.schoolctl("quota", TECH, "--cpu-seconds", "0", "--file-mb", "0", "--connections", "0")
    assert "rate_limit" not in lab.on_server("cat", f"/srv/schools/sites/{TECH}/site_config.json")


def test_a_setting_is_set_shown_and_taken_back(lab: Journey) -> None:
    lab.schoolctl("set-config", TECH, "deny_multiple_sessions", "true")
    [setting] = [row for row in lab.json("get-config", TECH) if row["key"] == "deny_multiple_sessions"]
    assert (setting["declared"], setting["found"]) == (True, True)
    refused = lab.schoolctl("set-config", TECH, "encryption_key", "x", code=3)
    assert "cannot be set by hand" in refused.stderr
    lab.schoolctl("set-config", TECH, "deny_multiple_sessions", "--unset")


# --- looking ----------------------------------------------------------------------------------------------------------


def test_the_list_says_size_users_and_backup(lab: Journey) -> None:
    shown = row(lab, TECH)
    assert shown["state"]
    assert int(str(shown["bytes"])) > 100_000
    table = lab.schoolctl("schools").stdout
    assert TECH in table
    assert CUISINE in table


def test_a_school_reads_its_own_lines_only(lab: Journey) -> None:
    visit(lab, TECH_HOST, "/mark-of-tech")
    visit(lab, CUISINE_HOST, "/mark-of-cuisine")
    own = lab.schoolctl("logs", TECH, "--lines", "200").stdout
    assert "/mark-of-tech" in own
    assert "mark-of-cuisine" not in own


def test_the_history_names_what_was_done_to_a_school(lab: Journey) -> None:
    said = [line["what"] for line in lab.json("history", TECH)]
    assert f"suspend {TECH}" in said
    assert not any(CUISINE in what and TECH not in what for what in said)


def test_a_quiet_server_has_nothing_to_say(lab: Journey) -> None:
    lab.schoolctl("status")


# --- hands on the server ----------------------------------------------------------------------------------------------


def test_what_was_done_by_hand_is_seen_and_healed(lab: Journey) -> None:
    comments = [line for line in lab.project.schools_file.read_text().splitlines() if "#" in line]
    lab.on_server("sed", "-i", "s/server_name .*/server_name hacked.example;/", f"{CONF}/schools/{TECH}.conf")
    lab.on_server("rm", f"{CONF}/hosts/{CUISINE}.map")
    lab.on_server("docker", "stop", "schools-realtime")
    seen = {
        (found["slug"], found["subject"]) for found in json.loads(lab.schoolctl("--json", "plan", code=DRIFT).stdout)
    }
    assert {
        (TECH, f"file {CONF}/schools/{TECH}.conf"),
        (CUISINE, f"file {CONF}/hosts/{CUISINE}.map"),
        (None, "container schools-realtime"),
    } <= seen
    lab.schoolctl("apply", "--all", "--yes")
    assert visit(lab, TECH_HOST).status == 200
    assert [line for line in lab.project.schools_file.read_text().splitlines() if "#" in line] == comments


# --- copies, and the end ----------------------------------------------------------------------------------------------


def test_a_copy_to_try_things_on_is_quiet_hidden_and_behind_a_password(lab: Journey) -> None:
    made = lab.json("clone", TECH, COPY, "--staging", "--domain", COPY_HOST)
    stranger = visit(lab, COPY_HOST)
    assert (stranger.status, stranger.headers["x-robots-tag"]) == (401, "noindex, nofollow")
    words = base64.b64encode(f"{made['user']}:{made['password']}".encode()).decode()
    guest = visit(lab, COPY_HOST, "/learn", {"Authorization": f"Basic {words}"})
    assert guest.status == 200
    config = json.loads(lab.on_server("cat", f"/srv/schools/sites/{COPY}/site_config.json"))
    assert config["mute_emails"]
    assert config["pause_scheduler"]
    source = json.loads(lab.on_server("cat", f"/srv/schools/sites/{TECH}/site_config.json"))
    assert config["encryption_key"] == source["encryption_key"], "stored passwords must be readable"
    assert config["db_password"] != source["db_password"]
    assert made["password"] not in lab.on_server("sh", "-c", "cat /srv/schools/audit.log /srv/schools/edge/auth/*")


def test_a_closed_copy_is_gone_everywhere(lab: Journey) -> None:
    name = database(lab, COPY)
    lab.schoolctl("close-school", COPY, "--keep-days", "0", "--yes", "--confirm", COPY)
    assert lab.visit(COPY_HOST) is None
    assert COPY not in lab.project.schools_file.read_text()
    assert name not in lab.sql("mysql", "SHOW DATABASES;") + lab.sql("mysql", "SELECT user FROM mysql.user;")
    assert COPY not in lab.on_server("find", "/srv/schools", "-maxdepth", "4", "-name", f"*{COPY}*")


def test_a_closed_school_is_gone_for_visitors_and_can_be_reopened(lab: Journey) -> None:
    lab.schoolctl("close-school", TECH, code=5)
    lab.schoolctl("close-school", TECH, "--yes", "--confirm", TECH)
    page = visit(lab, TECH_HOST, "/learn")
    assert page.status == 410
    assert "Tech School has closed" in page.body
    assert lab.json("plan") == []
    lab.schoolctl("reopen", TECH)
    assert visit(lab, TECH_HOST).status == 200
    assert re.search("Tech School", visit(lab, TECH_HOST, "/learn").body)


def test_after_every_verb_ansible_would_change_nothing_anywhere(lab: Journey) -> None:
    assert lab.changes_left_for_ansible() == []
