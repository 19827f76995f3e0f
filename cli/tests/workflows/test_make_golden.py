import hashlib
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schoolctl.remote.server import Server
from schoolctl.workflows.golden_site import FORM, GoldenSite, profile_of, today
from schoolctl.workflows.make_golden import CLAIM, balanced, most_common
from tests.support.project import OTHER, open_on, schoolctl, untouched
from tests.support.recording_transport import Break, CutAtStep, RecordingTransport
from tests.support.server_model import ROOT, ServerModel
from tests.workflows.faults import Prepare, each_break, expect_opened_after_each_break, open_schools

SLUG = "tech-school"
GOLDEN = ("--json", "golden")
OPEN = ("--json", "new-school", SLUG)
IRELAND = profile_of({"country": "Ireland", "language": "en", "timezone": "Europe/Dublin", "currency": "EUR"})
FRANCE = profile_of({"country": "France", "language": "fr", "timezone": "Europe/Paris", "currency": "EUR"})
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


def test_a_damaged_one_is_refused_and_nothing_is_left(project: Path, server: ServerModel) -> None:
    with_golden()(server, project)
    server.damaged.add(f"{PLACES}/{IRELAND}/part-2.sql.gz")
    databases = dict(server.databases)
    run = schoolctl(project, RecordingTransport(server), *OPEN)
    assert run.code == 1
    assert "part-2.sql.gz is not what it was" in run.stderr
    assert "schoolctl golden" in run.stderr
    assert server.databases == databases
    assert server.orphans() == []
    server.damaged.clear()
    server.files[f"{PLACES}/{IRELAND}/part-2.sql.gz"] = "[]"
    made = json.loads(schoolctl(project, RecordingTransport(server), *GOLDEN).stdout)
    assert {row["profile"]: row["result"] for row in made}[IRELAND] == "done"
    assert schoolctl(project, RecordingTransport(server), *OPEN).code == 0


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
