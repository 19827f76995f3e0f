import hashlib
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schoolctl.remote.server import Server
from schoolctl.transport.session import ServerFaultError
from schoolctl.workflows.golden_site import FORM, GoldenSite, profile_of, today
from schoolctl.workflows.make_golden import CLAIM, balanced, most_common
from tests.support.project import OTHER, open_on, schoolctl, set_pool_size, untouched
from tests.support.recording_transport import Break, Call, CutAtStep, RecordingTransport
from tests.support.server_model import ROOT, ServerModel
from tests.workflows.faults import Prepare, each_break, expect_opened_after_each_break, open_schools

SLUG = "tech-school"
GOLDEN = ("--json", "golden")
OPEN = ("--json", "new-school", SLUG)
IRELAND = profile_of({"country": "Ireland", "language": "en", "timezone": "Europe/Dublin", "currency": "EUR"})
FRANCE = profile_of({"country": "France", "language": "fr", "timezone": "Europe/Paris", "currency": "EUR"})
IN_IRELAND = ("--country=Ireland", "--language=en", "--timezone=Europe/Dublin", "--currency=EUR")
IMAGE = hashlib.sha256(b"schools/bench:test").hexdigest()
PLACES = f"{ROOT}/golden/{IMAGE[:12]}"


def golden_sites(server: ServerModel) -> set[str]:
    return {name for name in server.names_in(PLACES) if f"{PLACES}/{name}/manifest.json" in server.files}


def manifest(server: ServerModel, profile: str) -> dict[str, object]:
    return dict(json.loads(server.files[f"{PLACES}/{profile}/manifest.json"]))


def with_golden(*slugs: str) -> Prepare:
    opened = open_schools(*slugs)

    def prepare(server: ServerModel, project: Path) -> None:
        opened(server, project)
        assert schoolctl(project, RecordingTransport(server), *GOLDEN).code == 0

    return prepare


def only_one_locale(prepare: Prepare) -> Prepare:
    """Leave out the row of the other locale: it would be made just like the first, only at more length."""

    def prepare_without(server: ServerModel, project: Path) -> None:
        rows = project / "inventories/test/group_vars/all/schools.yml"
        rows.write_text(re.sub(r"  tech-school:\n(    .*\n)+\n?", "", rows.read_text()))
        prepare(server, project)

    return prepare_without


def is_open(server: ServerModel) -> bool:
    return server.visit("tech-school.com") == 200


def test_there_is_one_without_a_locale_and_one_for_each_locale_of_the_schools(
    project: Path, server: ServerModel
) -> None:
    databases = dict(server.databases)
    with untouched(server):
        run = schoolctl(project, RecordingTransport(server), *GOLDEN)
    assert run.code == 0, run.stderr
    assert golden_sites(server) == {"plain", IRELAND, FRANCE}
    assert (manifest(server, "plain")["serves_until"], manifest(server, FRANCE)["serves_until"]) == (None, "2026-12-31")
    assert server.orphans() == []
    assert server.databases == databases


def test_apps_are_installed_once_and_locales_begin_from_that(project: Path, server: ServerModel) -> None:
    transport = RecordingTransport(server)
    schoolctl(project, transport, *GOLDEN)
    assert sum("install-app" in argv for argv in transport.programs) == 2
    assert sum("new-site" in argv for argv in transport.programs) == 1


def test_a_second_run_changes_nothing_and_again_makes_them_anew(project: Path, server: ServerModel) -> None:
    schoolctl(project, RecordingTransport(server), *GOLDEN)
    before = dict(server.files)
    run = schoolctl(project, RecordingTransport(server), *GOLDEN)
    assert {row["result"] for row in json.loads(run.stdout)} == {"unchanged"}
    assert server.files == before
    again = schoolctl(project, RecordingTransport(server), *GOLDEN, "--again")
    assert {row["result"] for row in json.loads(again.stdout)} == {"done"}
    assert golden_sites(server) == {"plain", IRELAND, FRANCE}
    assert server.orphans() == []


def test_loads_are_not_told_to_drop_what_an_empty_database_has_not(project: Path, server: ServerModel) -> None:
    transport = RecordingTransport(server)
    schoolctl(project, transport, *GOLDEN)
    dumps = [argv for call in transport.calls if call.operation == "dump_parts" for argv, _ in call.arguments["parts"]]
    assert dumps
    assert all("--skip-add-drop-table" in argv for argv in dumps)


def test_those_of_an_image_that_runs_no_more_are_removed(project: Path, server: ServerModel) -> None:
    schoolctl(project, RecordingTransport(server), *GOLDEN)
    server.containers["schools-tools"]["image"] = "schools/bench:newer"
    assert schoolctl(project, RecordingTransport(server), *GOLDEN).code == 0
    assert server.names_in(f"{ROOT}/golden") == [hashlib.sha256(b"schools/bench:newer").hexdigest()[:12]]


def test_no_secret_is_in_an_argv_a_claim_or_the_audit_log(project: Path, server: ServerModel) -> None:
    transport = RecordingTransport(server)
    schoolctl(project, transport, *GOLDEN)
    assert transport.leaks() == []


def test_a_locale_that_fails_does_not_stop_the_others(project: Path, server: ServerModel) -> None:
    run = schoolctl(project, RecordingTransport(server, word="Ireland"), *GOLDEN)
    assert run.code == 6
    assert golden_sites(server) == {"plain", FRANCE}
    assert server.orphans() == []


@pytest.mark.parametrize("how", Break)
@pytest.mark.parametrize("again", [False, True])
def test_broken_at_any_call_it_leaves_nothing_that_resume_does_not_clear(
    tmp_path: Path, how: Break, again: bool
) -> None:
    prepare, command = (with_golden(OTHER), (*GOLDEN, "--again")) if again else (open_schools(OTHER), GOLDEN)
    for broken in each_break(tmp_path, only_one_locale(prepare), command, how):
        server = broken.server
        if broken.run.code == 0:
            continue
        assert server.locked_by is None, broken.at
        before = server.owned_by(OTHER)
        picked_up = schoolctl(broken.project, RecordingTransport(server), "resume")
        assert picked_up.code == 0, f"{broken.at}\n{picked_up.stderr}"
        rerun = schoolctl(broken.project, RecordingTransport(server), *GOLDEN)
        assert rerun.code == 0, f"{broken.at}\n{rerun.stderr}"
        assert golden_sites(server) == {"plain", FRANCE}, broken.at
        assert server.orphans() == [], broken.at
        assert server.owned_by(OTHER) == before, broken.at
        assert broken.transport.leaks() == [], broken.at


def test_what_a_killed_run_left_is_picked_up_by_resume(project: Path, server: ServerModel) -> None:
    schoolctl(project, CutAtStep(server, "plain: Install erpnext"), *GOLDEN)
    assert f"{ROOT}/journal/{CLAIM}.json" in server.files
    said = schoolctl(project, RecordingTransport(server), "status").stdout
    assert "schoolctl golden" in said
    drifts = json.loads(schoolctl(project, RecordingTransport(server), "plan", "--json").stdout)
    assert [drift["remedy"] for drift in drifts if "golden" in drift["subject"]] == ["schoolctl resume"]
    assert schoolctl(project, RecordingTransport(server), "resume").code == 0
    assert golden_sites(server) == {"plain", IRELAND, FRANCE}
    assert server.orphans() == []


# --- a school that begins from one -----------------------------------------------------------------------------------


def test_a_school_begins_from_the_golden_site_of_its_locale(project: Path, server: ServerModel) -> None:
    with_golden()(server, project)
    transport = RecordingTransport(server)
    run = schoolctl(project, transport, *OPEN)
    assert run.code == 0, run.stderr
    assert is_open(server)
    assert server.orphans() == []
    assert not [argv for argv in transport.programs if "install-app" in argv or "new-site" in argv]
    loaded = [call.arguments["parts"] for call in transport.calls if call.operation == "load_parts"]
    assert all(path.startswith(f"{PLACES}/{IRELAND}/") for parts in loaded for path, _ in parts)
    said = json.loads(run.stdout)
    assert said["password"] in server.secrets
    assert said["login"].startswith("https://tech-school.com/login?key=")
    assert sum("bench" in argv for argv in transport.programs) == 1, "one start of Frappe is all that it takes"
    assert transport.leaks() == []
    config = server.site_config(SLUG)
    assert config["db_name"] in server.scheduled
    tables = [sorted(server.databases[server.site_config(slug)["db_name"]].tables) for slug in (SLUG, OTHER)]
    assert tables[0] == tables[1]


def test_two_schools_of_one_golden_site_share_no_database_no_password_and_no_key(
    project: Path, server: ServerModel
) -> None:
    with_golden()(server, project)
    open_on(server, project, SLUG)
    schoolctl(project, RecordingTransport(server), "new-school", "third", "--domain", "third.example")
    one, other = server.site_config(SLUG), server.site_config("third")
    for key in ("db_name", "db_password", "encryption_key"):
        assert one[key] != other[key]


def test_a_locale_without_its_own_begins_from_the_plain_one(project: Path, server: ServerModel) -> None:
    with_golden()(server, project)
    server.remove(f"{PLACES}/{IRELAND}")
    transport = RecordingTransport(server)
    assert schoolctl(project, transport, *OPEN).code == 0
    loaded = next(call.arguments["parts"] for call in transport.calls if call.operation == "load_parts")
    assert loaded[0][0].startswith(f"{PLACES}/plain/")


def test_one_whose_fiscal_year_is_over_is_not_used(project: Path, server: ServerModel) -> None:
    with_golden()(server, project)
    path = f"{PLACES}/{IRELAND}/manifest.json"
    server.files[path] = server.files[path].replace("2026-12-31", "2025-12-31")
    transport = RecordingTransport(server)
    schoolctl(project, transport, *OPEN)
    loaded = next(call.arguments["parts"] for call in transport.calls if call.operation == "load_parts")
    assert loaded[0][0].startswith(f"{PLACES}/plain/")


@pytest.mark.parametrize(
    ("now", "serves"), [("2026-03-31T11:30:00", False), ("2026-03-31T10:30:00", True)], ids=["there", "not yet"]
)
def test_a_fiscal_year_ends_by_the_clock_of_the_schools(now: str, serves: bool) -> None:
    new_zealand = {"country": "New Zealand", "language": "en", "timezone": "Pacific/Auckland", "currency": "NZD"}
    stamp = datetime.fromisoformat(now).replace(tzinfo=UTC)
    here = Server(
        RecordingTransport(ServerModel()), name="x", root=ROOT, frappe_uid=1, database_client=(), now=lambda: stamp
    )
    golden = GoldenSite("", "", profile_of(new_zealand), 1, (), "2026-03-31", 1)
    assert golden.serves(today(here, new_zealand)) is serves


def test_one_with_other_apps_is_not_used(project: Path, server: ServerModel) -> None:
    with_golden()(server, project)
    file = project / "inventories/test/group_vars/all/platform.yml"
    file.write_text(re.sub(r"    - \{ name: erpnext.*\n", "", file.read_text()))
    transport = RecordingTransport(server)
    assert schoolctl(project, transport, *OPEN).code == 0
    assert not [call for call in transport.calls if call.operation == "load_parts"]


@pytest.mark.parametrize("spoil", ["image", "form", "gone"])
def test_without_one_of_this_image_each_app_is_installed_and_that_is_said(
    project: Path, server: ServerModel, spoil: str
) -> None:
    with_golden()(server, project)
    if spoil == "image":
        server.containers["schools-tools"]["image"] = "schools/bench:newer"
    for path in [path for path in server.files if path.startswith(PLACES) and path.endswith("manifest.json")]:
        if spoil == "form":
            server.files[path] = server.files[path].replace(f'"form": {FORM}', '"form": 999')
        elif spoil == "gone":
            server.remove(path)
    transport = RecordingTransport(server)
    run = schoolctl(project, transport, *OPEN)
    assert run.code == 0
    assert "No golden site fits" in run.stderr
    assert [argv for argv in transport.programs if "new-site" in argv]


def test_stock_installs_each_app_even_where_there_is_one(project: Path, server: ServerModel) -> None:
    with_golden()(server, project)
    transport = RecordingTransport(server)
    run = schoolctl(project, transport, *OPEN, "--stock")
    assert run.code == 0
    assert "No golden site fits" not in run.stderr
    assert [argv for argv in transport.programs if "new-site" in argv]
    assert not [call for call in transport.calls if call.operation == "load_parts"]


def spoilt(server: ServerModel, profile: str, how: str = "damaged") -> None:
    """Let the second part of a golden site be unfit in one of three ways."""
    part, path = f"{PLACES}/{profile}/part-2.sql.gz", f"{PLACES}/{profile}/manifest.json"
    if how == "damaged":
        server.damaged.add(part)
    elif how == "indigestible":
        server.indigestible.add(part)
    else:
        kept = manifest(server, profile)
        server.files[path] = json.dumps({**kept, "tables": int(str(kept["tables"])) + 1})


def with_spoilt(*profiles: str, how: str = "damaged") -> Prepare:
    def prepare(server: ServerModel, project: Path) -> None:
        with_golden(OTHER)(server, project)
        for profile in profiles:
            spoilt(server, profile, how)

    return prepare


UNFIT = {
    "damaged": "part-2.sql.gz is not what it was when it was made",
    "indigestible": "ERROR 1273 (HY000) at line 7: Unknown collation: 'no_ci'",
    "short": "tables, but ",
}


def loaded_from(transport: RecordingTransport) -> list[str]:
    """Return the profile of each golden site that was loaded, or was tried to be."""
    loads = [call.arguments["parts"] for call in transport.calls if call.operation == "load_parts"]
    return [parts[0][0].split("/")[-2] for parts in loads]


@pytest.mark.parametrize("how", UNFIT)
def test_one_that_does_not_load_is_told_and_put_out_of_service_and_the_plain_one_is_begun_from(
    project: Path, server: ServerModel, how: str
) -> None:
    with_spoilt(IRELAND, how=how)(server, project)
    transport = RecordingTransport(server)
    run = schoolctl(project, transport, *OPEN)
    assert run.code == 0, run.stderr
    assert is_open(server)
    assert server.orphans() == []
    assert transport.leaks() == []
    assert loaded_from(transport) == [IRELAND, "plain"]
    assert f"The golden site `{IRELAND}` cannot be loaded: " in run.stderr
    assert UNFIT[how] in run.stderr
    assert "schoolctl golden" in run.stderr
    one, other = (server.databases[server.site_config(slug)["db_name"]].tables for slug in (SLUG, OTHER))
    assert sorted(one) == sorted(other), "of the load that failed nothing is left"
    steps = [line["step"] for line in server.operations[max(server.operations)] if "step" in line]
    assert f"Put the golden site `{IRELAND}` out of service" in steps


@pytest.mark.parametrize("how", UNFIT)
def test_where_none_loads_each_app_is_installed_and_that_is_said(project: Path, server: ServerModel, how: str) -> None:
    with_spoilt(IRELAND, "plain", how=how)(server, project)
    transport = RecordingTransport(server)
    run = schoolctl(project, transport, *OPEN)
    assert run.code == 0, run.stderr
    assert is_open(server)
    assert server.orphans() == []
    assert loaded_from(transport) == [IRELAND, "plain"]
    assert [argv for argv in transport.programs if "new-site" in argv]
    assert "No golden site fits, so each app is installed by itself" in run.stderr


def test_one_that_was_put_out_of_service_is_not_tried_again_until_it_is_made_anew(
    project: Path, server: ServerModel
) -> None:
    with_spoilt(IRELAND)(server, project)
    open_on(server, project, SLUG)
    transport = RecordingTransport(server)
    assert schoolctl(project, transport, "new-school", "third", "--domain", "third.example", *IN_IRELAND).code == 0
    assert loaded_from(transport) == ["plain"]
    server.damaged.clear()
    server.files[f"{PLACES}/{IRELAND}/part-2.sql.gz"] = "[]"
    made = json.loads(schoolctl(project, RecordingTransport(server), *GOLDEN).stdout)
    assert {row["profile"]: row["result"] for row in made}[IRELAND] == "done"
    transport = RecordingTransport(server)
    assert schoolctl(project, transport, "new-school", "fourth", "--domain", "fourth.example", *IN_IRELAND).code == 0
    assert loaded_from(transport) == [IRELAND]


def test_one_that_the_disk_does_not_give_back_is_made_anew(project: Path, server: ServerModel) -> None:
    with_golden()(server, project)

    def is_broken(call: Call) -> None:
        if call.operation == "hash" and call.arguments["path"].endswith("plain/part-1.sql.gz"):
            raise ServerFaultError("os", "Input/output error")

    made = json.loads(schoolctl(project, RecordingTransport(server, before_each=is_broken), *GOLDEN).stdout)
    assert {row["profile"]: row["result"] for row in made} == {
        "plain": "done",
        IRELAND: "unchanged",
        FRANCE: "unchanged",
    }


def test_no_copy_of_one_that_is_out_of_service_is_loaded_for_the_pool(project: Path, server: ServerModel) -> None:
    with_spoilt(IRELAND)(server, project)
    open_on(server, project, SLUG)
    set_pool_size(project, 1)
    assert schoolctl(project, RecordingTransport(server), "pool").code == 0
    assert {row["profile"] for row in server.pool()} == {FRANCE}


def test_a_database_that_goes_away_in_mid_load_puts_nothing_out_of_service(project: Path, server: ServerModel) -> None:
    with_golden()(server, project)

    class LosesDatabase(RecordingTransport):
        def _do_load_parts(self, argv: list[str], parts: list[list[str]]) -> dict[str, Any]:
            said = "ERROR 2013 (HY000) at line 7: Lost connection to server during query"
            return {"code": 1, "stdout": "", "stderr": said}

    run = schoolctl(project, LosesDatabase(server), *OPEN)
    assert run.code == 1
    assert "ERROR 2013" in run.stderr
    assert server.unserviceable() == []
    assert server.orphans() == []


@pytest.mark.parametrize("how", Break)
@pytest.mark.parametrize("spoilt_too", [(), ("plain",)], ids=["then the plain one", "then app by app"])
def test_a_fall_back_broken_at_any_call_is_completed_by_the_same_command(
    tmp_path: Path, how: Break, spoilt_too: tuple[str, ...]
) -> None:
    expect_opened_after_each_break(tmp_path, with_spoilt(IRELAND, *spoilt_too), OPEN, how)


def test_a_school_may_be_allowed_a_single_connection(project: Path, server: ServerModel) -> None:
    with_golden()(server, project)
    rows = project / "inventories/test/group_vars/all/schools.yml"
    rows.write_text(
        rows.read_text() + "  tight:\n    title: T\n    domain: tight.example\n    quota: {connections: 1}\n"
    )
    transport = RecordingTransport(server)
    assert schoolctl(project, transport, "new-school", "tight").code == 0
    assert server.databases[server.site_config("tight")["db_name"]].connections == 1
    programs = [call.words for call in transport.calls]
    limited = next(number for number, call in enumerate(transport.calls) if "MAX_USER" in str(call.arguments))
    assert limited > max(number for number, words in enumerate(programs) if "schools-tools bench" in words)


@pytest.mark.parametrize("how", Break)
def test_a_school_from_a_golden_site_broken_at_any_call_is_completed_by_the_same_command(
    tmp_path: Path, how: Break
) -> None:
    expect_opened_after_each_break(tmp_path, with_golden(OTHER), OPEN, how)


def test_apply_opens_missing_schools_from_it_too(project: Path, server: ServerModel) -> None:
    with_golden()(server, project)
    transport = RecordingTransport(server)
    assert schoolctl(project, transport, "apply", "--all", "--yes").code == 0
    assert is_open(server)
    assert not [argv for argv in transport.programs if "new-site" in argv]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_apply_falls_back_for_each_school_and_says_so(project: Path, server: ServerModel, jobs: str) -> None:
    with_golden()(server, project)
    for profile in (IRELAND, "plain"):
        spoilt(server, profile)
    rows = project / "inventories/test/group_vars/all/schools.yml"
    rows.write_text(rows.read_text() + "  third:\n    title: Third\n    domain: third.example\n")
    run = schoolctl(project, RecordingTransport(server), "apply", "--all", "--yes", "--jobs", jobs)
    assert run.code == 0, run.stderr
    assert {SLUG, "third", OTHER} == server.sites()
    assert server.orphans() == []
    assert {row["profile"] for row in server.unserviceable()} == {IRELAND, "plain"}
    for slug in (SLUG, "third"):
        assert f"{slug}: No golden site fits, so each app is installed by itself" in run.stderr
    assert f"{OTHER}: No golden site fits" not in run.stderr


def test_apply_says_that_no_golden_site_fits(project: Path, server: ServerModel) -> None:
    run = schoolctl(project, RecordingTransport(server), "apply", SLUG, "--yes")
    assert run.code == 0
    assert f"{SLUG}: No golden site fits, so each app is installed by itself" in run.stderr


def test_many_schools_through_one_connection_start_frappe_once(project: Path, server: ServerModel) -> None:
    with_golden()(server, project)
    rows = project / "inventories/test/group_vars/all/schools.yml"
    rows.write_text(rows.read_text() + "  third:\n    title: Third\n    domain: third.example\n")
    transport = RecordingTransport(server)
    assert schoolctl(project, transport, "apply", "--all", "--yes").code == 0
    assert {SLUG, "third"} <= server.sites()
    assert sum("bench" in argv for argv in transport.programs) == 1


def test_an_answer_to_another_question_is_not_taken_for_that_of_a_school(project: Path, server: ServerModel) -> None:
    with_golden()(server, project)

    class OneBehind(RecordingTransport):
        def _do_ask(self, program: int, line: str, within: float | None = None) -> str:
            return json.dumps({**json.loads(super()._do_ask(program, line)), "id": json.loads(line)["id"] - 1})

    run = schoolctl(project, OneBehind(server), *OPEN)
    assert run.code == 1
    assert "it answered another question than was asked" in run.stderr
    assert SLUG not in server.sites()
    assert server.orphans() == []


def test_a_school_that_cannot_be_made_its_own_is_taken_back_with_the_reason_and_no_password(
    project: Path, server: ServerModel
) -> None:
    with_golden()(server, project)
    transport = RecordingTransport(server, word="lms_app.setup.personalise")
    run = schoolctl(project, transport, "-v", *OPEN)
    assert run.code == 1
    assert "Could not open `tech-school`" in run.stderr
    assert "does not work today, says `docker exec -i schools-tools bench answer-calls`" in run.stderr
    assert SLUG not in server.sites()
    assert server.orphans() == []
    assert not [secret for secret in server.secrets if secret in run.stderr]


# --- sharing out -----------------------------------------------------------------------------------------------------


@given(st.dictionaries(st.text(min_size=1), st.integers(0, 10**9), min_size=1), st.integers(1, 8))
def test_every_table_is_in_exactly_one_group_and_none_is_empty(sizes: dict[str, int], number: int) -> None:
    groups = balanced(sizes, number)
    assert sorted(table for group in groups for table in group) == sorted(sizes)
    assert len(groups) == min(number, len(sizes))
    assert all(groups)


def test_many_like_tables_are_shared_out_evenly() -> None:
    groups = balanced({f"t{number}": 16384 for number in range(101)}, 4)
    assert sorted(map(len, groups)) == [25, 25, 25, 26]


def test_only_the_most_common_locales_are_worth_a_golden_site() -> None:
    places = [
        {"country": country, "language": "en", "timezone": "Etc/UTC", "currency": "EUR"}
        for country in ("Malta", "Ireland", "Cyprus", "France", "Ireland", "France", "Cyprus")
    ]
    assert [locale["country"] for locale in most_common([None, *places])] == ["Ireland", "Cyprus", "France"]
    assert most_common([None]) == []


def test_locales_that_differ_in_anything_have_profiles_of_their_own() -> None:
    one = {"country": "Ireland", "language": "en", "timezone": "Europe/Dublin", "currency": "EUR"}
    profiles = {profile_of(one), profile_of({**one, "currency": "GBP"}), profile_of(None)}
    assert len(profiles) == 3
    assert all(profile.replace("-", "").isalnum() for profile in profiles)
