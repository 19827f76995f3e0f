"""The journey of two schools, as an operator lives it: each test goes on where the last one ended."""

import itertools
import json
import re
import subprocess
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import golden_traces
import paramiko
import pytest
import twins
from journey import ROOT, Journey

from schoolctl.context import Context
from schoolctl.errors import UnreachableError
from schoolctl.remote.source import agent_source
from schoolctl.transport.ssh import SshTransport

TECH, CUISINE = "tech-school", "cuisine-school"
TECH_HOST, CUISINE_HOST = "tech-school.com", "cuisine-school.com"
NEW_NAME = "tech-school.example"
TWIN, OTHER_TWIN = "tech-twin", "other-twin"
# The first school is made app by app, the second one begins from a golden site.
BOTH_WAYS = (TECH, CUISINE)
ODD_TITLE = 'L\'"École" \\ 100 % à {elle}'


def school(lab: Journey, slug: str) -> dict[str, object]:
    return next(row for row in lab.json("schools") if row["slug"] == slug)


@pytest.fixture(scope="module")
def overheard() -> set[str]:
    """Secrets and names of the sites that golden sites were made from; filled by the first test."""
    return set()


@pytest.fixture(scope="module")
def secrets_of_twins() -> dict[str, dict[str, str]]:
    """What was secret in schools that are closed by now, by how they were made; each test adds its own."""
    return {}


def test_two_declared_schools_open_and_say_their_address_and_password_once(lab: Journey, overheard: set[str]) -> None:
    for slug, host in ((TECH, TECH_HOST), (CUISINE, CUISINE_HOST)):
        opened = lab.json("new-school", slug)
        assert opened["changed"]
        assert len(opened["password"]) >= 24
        assert opened["url"] == f"http://{host}:{lab.port}"
        page = lab.visit(host)
        assert page is not None
        assert page.status == 200
        # The first one is made app by app; the second begins from a golden site.
        overheard |= golden_traces.make_golden_sites(lab)


def test_golden_sites_hold_no_secret_and_no_name_of_the_sites_they_were_made_from(
    lab: Journey, overheard: set[str]
) -> None:
    assert len(overheard) >= 10, "a site has a name, a database, two passwords and a key, and there are three"
    names = golden_traces.names_of_where_they_were_made(lab)
    found = golden_traces.searched(lab, {golden_traces.SURE, *overheard, *names})
    assert len(found.profiles) == 3
    assert found.words == [golden_traces.SURE]
    assert found.forms == []
    assert golden_traces.unknown_to_the_apps(lab, found.addresses) == []
    assert "tabUser" in found.filled
    assert set(found.filled) & golden_traces.EMPTY == set()


def test_a_school_from_a_golden_site_is_like_one_that_was_made_app_by_app(
    lab: Journey, secrets_of_twins: dict[str, dict[str, str]]
) -> None:
    row = lab.project.schools()[TECH]
    assert row.locale is not None
    place = [f"--{part}={getattr(row.locale, part)}" for part in ("country", "language", "timezone", "currency")]
    said = ("--title", row.title, "--admin-email", row.admin_email, *place)
    lab.schoolctl("pool", "--size", "0")
    opened = lab.schoolctl("new-school", TWIN, "--domain", f"{TWIN}.example", *said).stderr
    assert "✓ Load the golden site" in opened
    if lab.is_real:
        # What the search shall find waits for a job, on both.
        for slug in (TECH, TWIN):
            lab.schoolctl("bench", slug, "--", "execute", "frappe.utils.global_search.sync_global_search")
    one, other = str(school(lab, TECH)["database"]), str(school(lab, TWIN)["database"])
    assert twins.differences(lab, one, other) == []
    # A second one that is loaded from the same; what was loaded for the pool meanwhile is for a later test.
    lab.schoolctl("pool", "--size", "0")
    opened = lab.schoolctl("new-school", OTHER_TWIN, "--domain", f"{OTHER_TWIN}.example", *said).stderr
    assert "✓ Load the golden site" in opened
    for slug in (TECH, TWIN, OTHER_TWIN):
        secrets_of_twins[slug] = twins.secrets_of(lab, slug)
    expect_nothing_shared(secrets_of_twins)
    for slug in (TWIN, OTHER_TWIN):
        lab.schoolctl("close-school", slug, "--keep-days", "0", "--yes", "--confirm", slug)


def expect_nothing_shared(secrets_of: dict[str, dict[str, str]]) -> None:
    """Fail if two schools have a secret in common; say where it stands, and never what it is."""
    for (one, first), (other, second) in itertools.combinations(secrets_of.items(), 2):
        assert len({*first.values()}) > len(twins.SECRET_SETTINGS), f"{one} has hashes of passwords"
        assert {first[secret] for secret in {*first} & {*second}} == set(), f"{one} and {other}"


def test_an_odd_title_goes_wherever_the_golden_company_stood_in_one_from_the_pool_too(
    lab: Journey, secrets_of_twins: dict[str, dict[str, str]]
) -> None:
    if not lab.is_real:
        pytest.skip("the stand-in bench has no ERPNext")
    row = lab.project.schools()[TECH]
    assert row.locale is not None
    place = [f"--{part}={getattr(row.locale, part)}" for part in ("country", "language", "timezone", "currency")]
    lab.schoolctl("pool", "--size", "1")
    opened = lab.schoolctl("new-school", TWIN, "--domain", f"{TWIN}.example", "--title", ODD_TITLE, *place).stderr
    assert "· Load the golden site" in opened, "its database came out of the pool"
    database = str(school(lab, TWIN)["database"])
    name, initials = (text.encode().hex().upper() for text in (ODD_TITLE, "L1ÀE"))
    assert lab.sql(database, "SELECT HEX(name), HEX(abbr) FROM tabCompany;") == [f"{name}\t{initials}"]
    # In hexadecimal, because what a client takes quotes and letters for depends on its settings.
    accounts = lab.sql(
        database,
        f"SELECT COUNT(*), SUM(HEX(name) LIKE '%{b' - '.hex()}{initials}'), COUNT(DISTINCT company)"  # noqa: S608
        " FROM tabAccount;",
    )
    total, named, companies = map(int, accounts[0].split())
    assert total == named > 50
    assert companies == 1
    expect_nothing_shared({**secrets_of_twins, "out of the pool": twins.secrets_of(lab, TWIN)})
    lab.schoolctl("close-school", TWIN, "--keep-days", "0", "--yes", "--confirm", TWIN)


@pytest.mark.parametrize("slug", BOTH_WAYS)
def test_a_school_made_either_way_can_send_its_first_invoice(lab: Journey, slug: str) -> None:
    if not lab.is_real:
        pytest.skip("the stand-in bench has no ERPNext")
    assert lab.sql(str(school(lab, slug)["database"]), "SELECT COUNT(*) FROM `tabSales Invoice`;") == ["0"]

    def ask(function: str, **keywords: object) -> Any:
        said = lab.schoolctl("bench", slug, "--", "execute", function, "--kwargs", repr(keywords)).stdout
        return json.loads(said.splitlines()[-1])

    def first(doctype: str, **filters: object) -> str:
        # By what they are: names are in the school's language.
        [name] = ask("frappe.get_all", doctype=doctype, filters=filters, pluck="name", limit=1)
        return str(name)

    def insert(**document: object) -> dict[str, object]:
        return dict(ask("frappe.client.insert", doc=document))

    group, unit = first("Item Group", is_group=0), first("UOM", must_be_whole_number=1)
    customer = insert(doctype="Customer", customer_name="Ann", customer_type="Individual")
    item = insert(doctype="Item", item_code="course", item_group=group, is_stock_item=0, stock_uom=unit)
    line = {"item_code": item["name"], "qty": 2, "rate": 40}
    invoice = insert(doctype="Sales Invoice", customer=customer["name"], items=[line], docstatus=1)
    assert (invoice["docstatus"], invoice["total"], invoice["currency"]) == (1, 80.0, "EUR")


@pytest.mark.parametrize("slug", BOTH_WAYS)
def test_a_migration_changes_nothing_in_a_school_made_either_way(lab: Journey, slug: str) -> None:
    if not lab.is_real:
        pytest.skip("the stand-in bench has nothing to migrate")
    database = str(school(lab, slug)["database"])

    def shape() -> list[str]:
        columns = "table_name, column_name, column_type, column_default, is_nullable, column_key"
        where = f"table_schema = '{database}' ORDER BY 1, 2"
        return [
            *lab.sql(database, f"SELECT {columns} FROM information_schema.columns WHERE {where};"),  # noqa: S608
            *lab.sql(database, "SELECT patch FROM `tabPatch Log` ORDER BY name;"),
            # But for `Print Heading`, which Frappe writes anew each time.
            *lab.sql(database, "SELECT name, modified FROM tabDocType WHERE name <> 'Print Heading' ORDER BY name;"),
            *lab.sql(database, "SELECT name, fieldtype, options FROM `tabCustom Field` ORDER BY name;"),
            *lab.sql(database, "SELECT name, value FROM `tabProperty Setter` ORDER BY name;"),
            *lab.sql(database, "SELECT name, stopped, cron_format FROM `tabScheduled Job Type` ORDER BY name;"),
        ]

    before = shape()
    lab.schoolctl("bench", slug, "--", "migrate", timeout=1200)
    after = shape()
    assert [line for line in after if line not in set(before)] == []
    assert [line for line in before if line not in set(after)] == []


def test_what_was_taken_from_the_pool_is_loaded_again_in_the_background(lab: Journey) -> None:
    deadline = time.monotonic() + 300
    while not all(row["ready"] >= row["wanted"] > 0 for row in lab.json("pool", "--status")["profiles"]):
        assert time.monotonic() < deadline, lab.json("pool", "--status")
        time.sleep(1)
    assert lab.json("plan") == []


def test_opening_an_open_school_again_changes_nothing(lab: Journey) -> None:
    again = lab.json("new-school", TECH)
    assert again == {
        "slug": TECH,
        "url": f"http://{TECH_HOST}:{lab.port}",
        "changed": False,
        "administrator": "Administrator",
    }


def test_each_school_has_its_own_database_and_user(lab: Journey) -> None:
    databases = {row["slug"]: row["database"] for row in lab.json("schools")}
    assert databases[TECH] != databases[CUISINE]
    for slug, neighbour in ((TECH, CUISINE), (CUISINE, TECH)):
        grants = lab.sql("mysql", f"SHOW GRANTS FOR '{databases[slug]}'@'%';")
        assert any(f"`{databases[slug]}`.*" in grant for grant in grants)
        assert not any(databases[neighbour] in grant for grant in grants)


def test_the_list_of_schools_says_promise_and_fact(lab: Journey) -> None:
    for row in lab.json("schools"):
        assert {"slug", "domain", "url", "state", "site", "database", "image"} <= row.keys()
        assert row["state"] == {"declared": "active", "found": "active"}
        assert row["bytes"] > row["database_bytes"] > 0
        assert row["site"] == row["slug"]
        assert row["image"]


def test_learn_shows_each_school_under_its_own_name(lab: Journey) -> None:
    for host, own, other in (
        (TECH_HOST, "Tech School", "Cuisine School"),
        (CUISINE_HOST, "Cuisine School", "Tech School"),
    ):
        page = lab.visit(host, "/learn")
        assert page is not None
        assert page.status == 200
        assert own in page.body
        assert other not in page.body


def test_an_unknown_host_gets_no_answer(lab: Journey) -> None:
    assert lab.visit("unknown.example") is None
    assert lab.visit("127.0.0.1") is None


def test_a_visitor_cannot_choose_the_site_by_header(lab: Journey) -> None:
    for name in ("X-Frappe-Site-Name", "x-frappe-site-name", "X_Frappe_Site_Name"):
        page = lab.visit(TECH_HOST, "/learn", {name: CUISINE})
        assert page is not None
        assert "Tech School" in page.body
        assert "Cuisine School" not in page.body


def test_the_first_alias_leads_to_the_canonical_address(lab: Journey) -> None:
    page = lab.visit("www.tech-school.com", "/learn?page=2")
    assert page is not None
    assert (page.status, page.headers["location"]) == (308, f"http://{TECH_HOST}:{lab.port}/learn?page=2")


def test_a_new_domain_answers_at_once_and_no_request_fails_meanwhile(lab: Journey) -> None:
    assert lab.visit(NEW_NAME) is None
    with lab.hammered(TECH_HOST, CUISINE_HOST) as hammer:
        lab.schoolctl("add-domain", TECH, NEW_NAME)
        page = lab.visit(NEW_NAME)
    assert page is not None
    assert page.status == 308
    assert hammer.requests > 10
    assert hammer.failures == []


def test_a_domain_of_another_school_is_refused_and_changes_nothing(lab: Journey) -> None:
    before = lab.project.schools_file.read_text()
    refused = lab.schoolctl("add-domain", CUISINE, NEW_NAME, code=3)
    assert TECH in refused.stderr
    assert lab.project.schools_file.read_text() == before


def test_a_row_deleted_after_a_backup_is_back_after_the_restore_and_the_neighbour_is_untouched(lab: Journey) -> None:
    database = str(school(lab, TECH)["database"])
    neighbour = str(school(lab, CUISINE)["database"])
    lab.sql(
        database,
        "INSERT INTO `tabDefaultValue` (name, defkey, defvalue, parent) VALUES ('kept', 'kept', 'yes', 'kept');",
    )
    lab.on_server(
        "docker",
        "exec",
        "-i",
        "schools-tools",
        "tee",
        f"sites/{TECH}/public/files/kept.txt",
        stdin="a file of the school\n",
    )
    set_made = lab.json("backup", TECH)
    assert set_made["tables"] > 0
    assert set_made["files"] >= 1
    lab.sql(database, "DELETE FROM `tabDefaultValue` WHERE name = 'kept';")
    lab.on_server("rm", f"/srv/schools/sites/{TECH}/public/files/kept.txt")
    untouched = lab.sql(neighbour, "CHECKSUM TABLE `tabUser`, `tabDefaultValue`;")

    lab.schoolctl("restore", TECH, "--yes")

    restored = str(school(lab, TECH)["database"])
    assert restored != database, "it was restored beside, then swapped"
    assert lab.sql(restored, "SELECT defvalue FROM `tabDefaultValue` WHERE name = 'kept';") == ["yes"]
    page = lab.visit(TECH_HOST, "/files/kept.txt")
    assert page is not None
    assert (page.status, page.body) == (200, "a file of the school\n")
    assert lab.sql(neighbour, "CHECKSUM TABLE `tabUser`, `tabDefaultValue`;") == untouched
    assert lab.visit(TECH_HOST) is not None


def test_a_school_from_a_golden_site_is_backed_up_and_restored_like_any(lab: Journey) -> None:
    before = str(school(lab, CUISINE)["database"])
    lab.schoolctl("backup", CUISINE)
    lab.schoolctl("restore", CUISINE, "--yes")
    restored = str(school(lab, CUISINE)["database"])
    assert restored != before
    page = lab.visit(CUISINE_HOST, "/learn")
    assert page is not None
    assert "Cuisine School" in page.body
    lab.schoolctl("backup", CUISINE)


def test_what_a_restore_replaced_is_kept_until_the_next_good_backup(lab: Journey) -> None:
    claimed = {str(row["database"]) for row in lab.json("schools")}
    assert len(lab.databases_of_schools() - claimed) == 1
    lab.schoolctl("backup", TECH)
    assert lab.databases_of_schools() == claimed


def test_a_restore_that_nobody_confirmed_is_refused(lab: Journey) -> None:
    refused = lab.schoolctl("restore", TECH, code=5)
    assert "--yes" in refused.stderr


def test_bench_runs_straight_through_and_keeps_its_exit_code(lab: Journey) -> None:
    assert "lms_app" in lab.schoolctl("bench", TECH, "--", "execute", "frappe.get_installed_apps").stdout
    lab.schoolctl("bench", TECH, "--", "no-such-command", code=2)


def test_a_second_operator_is_told_who_holds_the_lock(lab: Journey) -> None:
    with closing(Context(env=lab.name, start=ROOT)) as first, first.locked("a long task", "take long"):
        refused = lab.schoolctl("backup", CUISINE, code=5)
    assert re.search(r"\w+@\S+ has held the lock since 20\S+, doing: a long task", refused.stderr)
    lab.schoolctl("backup", CUISINE)


def test_the_audit_log_names_who_did_what_and_holds_no_password(lab: Journey) -> None:
    lines = [json.loads(line) for line in lab.on_server("cat", "/srv/schools/audit.log").splitlines()]
    assert {"new-school tech-school", f"add-domain {TECH} {NEW_NAME}", f"restore {TECH}"} <= {
        line["what"] for line in lines
    }
    assert all(line["who"] and line["result"] for line in lines)
    configs = lab.on_server("sh", "-c", "cat /srv/schools/sites/*/site_config.json /srv/schools/secrets/*")
    secrets = re.findall(r'"(?:db_password|encryption_key)": "([^"]+)"', configs) + configs.splitlines()[-1:]
    assert len(secrets) >= 5
    log = lab.on_server("cat", "/srv/schools/audit.log")
    assert [secret for secret in secrets if secret in log] == []


def test_a_server_whose_key_nobody_vouched_for_is_not_talked_to(lab: Journey, tmp_path: Path) -> None:
    empty = tmp_path / "known_hosts"
    empty.touch()
    with pytest.raises(UnreachableError, match="Will not talk to") as refused:
        SshTransport(replace(lab.project.host, known_hosts=empty), agent_source()).call("hello")
    assert "not known" in refused.value.because
    assert "ssh-keyscan" in refused.value.hint


def test_a_server_that_shows_another_key_than_the_known_one_is_not_talked_to(lab: Journey, tmp_path: Path) -> None:
    host = lab.project.host
    other = paramiko.RSAKey.generate(2048)
    known = tmp_path / "known_hosts"
    entries = paramiko.HostKeys()
    entries.add(f"[{host.address}]:{host.port}", other.get_name(), other)
    entries.save(str(known))
    with pytest.raises(UnreachableError, match="Will not talk to"):
        SshTransport(replace(host, known_hosts=known), agent_source()).call("hello")


def test_a_key_that_the_server_does_not_know_is_refused_with_a_way_out(lab: Journey, tmp_path: Path) -> None:
    stranger = tmp_path / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(stranger)], check=True)
    with pytest.raises(UnreachableError, match="Could not log in") as refused:
        SshTransport(replace(lab.project.host, key_file=stranger), agent_source()).call("hello")
    assert "hosts.yml" in refused.value.hint


def test_a_socket_hears_the_events_of_its_own_school_only(lab: Journey) -> None:
    if not lab.is_real:
        pytest.skip("the stand-in bench has no socket.io server")
    from socket_listener import listens

    with listens(lab, TECH_HOST, TECH) as tech, listens(lab, CUISINE_HOST, CUISINE) as cuisine:
        lab.schoolctl(
            "bench",
            TECH,
            "--",
            "execute",
            "frappe.publish_realtime",
            "--kwargs",
            repr({"event": "bell", "message": {"n": 1}, "room": "all"}),
        )
        assert tech.wait_for("bell", 15)
        assert not cuisine.wait_for("bell", 2)


def test_a_socket_from_a_foreign_origin_is_refused(lab: Journey) -> None:
    page = lab.visit(TECH_HOST, "/socket.io/?EIO=4&transport=polling", {"Origin": "http://evil.example"})
    assert page is not None
    assert page.status == 403


def test_after_all_this_ansible_would_change_nothing(lab: Journey) -> None:
    assert lab.changes_left_for_ansible() == []
