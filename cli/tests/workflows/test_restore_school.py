import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from schoolctl.schools import store
from tests.support.backup_model import hours_ago
from tests.support.project import OTHER, open_on, schoolctl, untouched
from tests.support.recording_transport import Break, CutAtStep, RecordingTransport
from tests.support.server_model import ROOT, ServerModel
from tests.workflows.faults import each_break, each_world

SLUG = "tech-school"
RESTORE = ("--json", "restore", SLUG, "--yes")
COPY = ("--json", "restore", SLUG, "--as", "second-school", "--domain", "second-school.com")
BADGE = f"{ROOT}/sites/{SLUG}/public/files/badge.svg"
LATER = "tab written after the backup"


def rows(project: Path) -> Path:
    return project / "inventories/test/group_vars/all/schools.yml"


def prepare(server: ServerModel, project: Path) -> None:
    """Open two schools, back one up, then let its people go on working."""
    open_on(server, project, OTHER)
    open_on(server, project, SLUG)
    assert schoolctl(project, RecordingTransport(server), "backup", SLUG).code == 0
    server.databases[server.site_config(SLUG)["db_name"]].tables.append(LATER)
    server.files[BADGE] = "another badge"


@pytest.fixture
def worked(project: Path) -> ServerModel:
    server = ServerModel()
    prepare(server, project)
    return server


def has_old_database(server: ServerModel, slug: str = SLUG) -> bool:
    return LATER not in server.databases[server.site_config(slug)["db_name"]].tables


def is_back(server: ServerModel) -> bool:
    answers = server.visit("tech-school.com") == 200
    return answers and has_old_database(server) and server.files[BADGE] == f"badge of {SLUG}"


def is_as_before(server: ServerModel) -> bool:
    answers = server.visit("tech-school.com") == 200
    return answers and not has_old_database(server) and server.files[BADGE] == "another badge"


def migrated(transport: RecordingTransport) -> list[str]:
    """Return the sites that the bench migrated."""
    return [argv[argv.index("--site") + 1] for argv in transport.programs if "migrate" in argv]


def stored(server: ServerModel, path: str, text: str, target: str = "local") -> None:
    """Change a file of the only set that a target has."""
    [name] = server.backups.names(SLUG, target)
    server.backups.files_of(SLUG, name, target)[path] = text


def damage(server: ServerModel, path: str) -> None:
    for target in server.backups.targets:
        stored(server, path, "rot", target)


def test_database_and_files_are_back_and_what_was_there_is_kept(project: Path, worked: ServerModel) -> None:
    before = worked.site_config(SLUG)
    with untouched(worked):
        run = schoolctl(project, RecordingTransport(worked), *RESTORE)
    assert run.code == 0, run.stderr
    assert is_back(worked)
    assert worked.orphans() == []
    [kept] = worked.names_in(f"{ROOT}/archive/{SLUG}")
    archived = json.loads(worked.files[f"{ROOT}/archive/{SLUG}/{kept}/site_config.json"])
    assert archived == before
    assert LATER in worked.databases[archived["db_name"]].tables


def test_it_says_how_long_each_part_took(project: Path, worked: ServerModel) -> None:
    told = json.loads(schoolctl(project, RecordingTransport(worked), *RESTORE).stdout)
    assert set(told["took"]) == {"fetch", "load", "compare", "swap"}
    assert told["as_of"] == told["taken"]


def test_the_encryption_key_comes_back_with_the_set_and_the_database_password_does_not(
    project: Path, worked: ServerModel
) -> None:
    before = worked.site_config(SLUG)
    transport = RecordingTransport(worked)
    schoolctl(project, transport, *RESTORE)
    after = worked.site_config(SLUG)
    assert after["encryption_key"] == before["encryption_key"]
    assert after["db_password"] != before["db_password"]
    assert transport.leaks() == []
    assert before["encryption_key"] not in str(transport.calls)


@pytest.mark.parametrize(
    "part", ["database/tabUser.sql", "files/public/badge.svg", "site_config.json", "manifest.json"]
)
def test_a_damaged_set_replaces_nothing(project: Path, worked: ServerModel, part: str) -> None:
    damage(worked, part)
    if part == "manifest.json":  # what nobody can read is in no list
        for target in worked.backups.targets:
            stored(worked, part, json.dumps({**json.loads(manifest_of(worked)), "config": {"sha256": "0"}}), target)
    with untouched(worked), untouched(worked, SLUG):
        run = schoolctl(project, RecordingTransport(worked), *RESTORE)
    assert run.code == 1
    assert "is not what the manifest says" in run.stderr
    assert worked.orphans() == []


def manifest_of(server: ServerModel) -> str:
    return server.files[f"{ROOT}/backups/spool/{SLUG}/manifest.json"]


def test_where_one_target_has_it_damaged_the_next_one_serves(project: Path, worked: ServerModel) -> None:
    stored(worked, "database/tabUser.sql", "rot")
    assert schoolctl(project, RecordingTransport(worked), *RESTORE).code == 0
    assert is_back(worked)


def test_a_damaged_newest_set_gives_way_to_the_newest_sound_one_and_that_is_told(
    project: Path, worked: ServerModel
) -> None:
    [sound] = worked.backups.names(SLUG)
    worked.backups.clock = lambda: datetime(2999, 1, 31, 2, 0, tzinfo=UTC)
    assert schoolctl(project, RecordingTransport(worked), "backup", SLUG).code == 0
    damaged = worked.backups.names(SLUG)[-1]
    for target in worked.backups.targets.values():
        target.sets[SLUG, damaged]["database/tabUser.sql"] = "pay us"
    run = schoolctl(project, RecordingTransport(worked), *RESTORE)
    assert run.code == 0, run.stderr
    assert f"the set {damaged} is damaged in every target that has it; {sound}, of" in run.stderr
    assert json.loads(run.stdout)["set"] == sound
    run = schoolctl(project, RecordingTransport(worked), *RESTORE, "--set", damaged)
    assert run.code == 1


def test_of_several_that_say_to_be_one_set_none_is_taken_until_one_is_named(project: Path, worked: ServerModel) -> None:
    newest = worked.backups.names(SLUG)[-1]
    worked.backups.disputed = {newest}
    with untouched(worked), untouched(worked, SLUG):
        run = schoolctl(project, RecordingTransport(worked), *RESTORE)
    assert run.code == 1
    assert f"{newest}@1a1a1a1a, {newest}@2b2b2b2b" in run.stderr
    assert worked.orphans() == []
    run = schoolctl(project, RecordingTransport(worked), *RESTORE, "--set", f"{newest}@1a1a1a1a")
    assert run.code == 0, run.stderr
    assert is_back(worked)
    assert "warning" not in run.stderr


def test_a_set_that_is_named_can_be_brought_to_a_later_moment_and_to_none_before_it(
    project: Path, worked: ServerModel
) -> None:
    newest = worked.backups.names(SLUG)[-1]
    worked.backups.disputed = {newest}
    named = (*RESTORE, "--set", f"{newest}@1a1a1a1a")
    with untouched(worked), untouched(worked, SLUG):
        run = schoolctl(project, RecordingTransport(worked), *named, "--at", "2020-01-01T00:00:00Z")
    assert run.code == 3
    assert f"the set {newest} was taken at " in run.stderr
    assert ", after 2020-01-01T00:00:00Z" in run.stderr
    assert "hint: leave --set out" in run.stderr
    run = schoolctl(project, RecordingTransport(worked), *named, "--at", "2999-01-01T00:00:00Z")
    assert run.code == 0, run.stderr
    assert is_back(worked)


def test_a_target_that_is_named_is_the_only_one_that_is_asked(project: Path, worked: ServerModel) -> None:
    stored(worked, "database/tabUser.sql", "rot")
    with untouched(worked, SLUG):
        run = schoolctl(project, RecordingTransport(worked), *RESTORE, "--from", "local")
    assert run.code == 1
    assert "local: the set" in run.stderr
    unknown = schoolctl(project, RecordingTransport(worked), *RESTORE, "--from", "moon")
    assert unknown.code == 3
    assert "the server knows local, offsite" in unknown.stderr


def test_a_set_of_another_school_is_refused(project: Path, worked: ServerModel) -> None:
    schoolctl(project, RecordingTransport(worked), "backup", OTHER)
    [name] = worked.backups.names(SLUG)
    for target in worked.backups.targets.values():
        [other] = [files for (slug, _), files in target.sets.items() if slug == OTHER]
        target.sets[SLUG, name] = other
    with untouched(worked), untouched(worked, SLUG):
        run = schoolctl(project, RecordingTransport(worked), *RESTORE)
    assert run.code != 0
    assert f"'{OTHER}'" in run.stderr or f"`{OTHER}`" in run.stderr
    assert worked.orphans() == []


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ({"frappe": "15.20.0", "erpnext": "15.53.0", "lms_app": "1.0.0"}, "frappe 15.55.1, and the image has 15.20.0"),
        ({"frappe": "15.55.1", "lms_app": "1.0.0"}, "erpnext 15.53.0, which the image that runs has not"),
    ],
)
def test_a_set_of_a_newer_image_is_refused_before_anything_is_made(
    project: Path, worked: ServerModel, image: dict[str, str], words: str
) -> None:
    worked.versions = image
    databases = set(worked.databases)
    with untouched(worked), untouched(worked, SLUG):
        run = schoolctl(project, RecordingTransport(worked), *RESTORE)
    assert run.code == 5
    assert words in run.stderr
    assert set(worked.databases) == databases
    assert worked.orphans() == []


def test_a_set_of_an_older_image_is_brought_to_what_runs(project: Path, worked: ServerModel) -> None:
    worked.versions = {"frappe": "15.60.0", "erpnext": "15.53.0", "lms_app": "1.0.0"}
    assert schoolctl(project, RecordingTransport(worked), *RESTORE).code == 0
    assert worked.databases[worked.site_config(SLUG)["db_name"]].versions == worked.versions


def test_a_set_of_another_image_is_migrated_though_its_apps_have_the_same_versions(
    project: Path, worked: ServerModel
) -> None:
    worked.backups.run_image("schools/bench:later", "2999-01-01T00:00:00Z")
    transport = RecordingTransport(worked)
    assert schoolctl(project, transport, *RESTORE).code == 0
    assert migrated(transport) == [SLUG]
    # One of the image that runs needs none.
    assert schoolctl(project, RecordingTransport(worked), "backup", SLUG).code == 0
    transport = RecordingTransport(worked)
    assert schoolctl(project, transport, *RESTORE).code == 0
    assert migrated(transport) == []


def test_a_set_of_a_newer_image_of_the_same_versions_is_refused_until_somebody_says_so(
    project: Path, worked: ServerModel
) -> None:
    worked.backups.run_image("schools/bench:earlier", "2020-01-01T00:00:00Z")
    databases = set(worked.databases)
    with untouched(worked), untouched(worked, SLUG):
        run = schoolctl(project, RecordingTransport(worked), *RESTORE)
    assert run.code == 5
    assert "it is of the image schools/bench:test, which is newer than schools/bench:earlier" in run.stderr
    assert "--newer-image" in run.stderr
    assert set(worked.databases) == databases
    assert worked.orphans() == []
    # Its files alone are as good in any image.
    assert schoolctl(project, RecordingTransport(worked), *RESTORE, "--only", "files").code == 0
    transport = RecordingTransport(worked)
    run = schoolctl(project, transport, *RESTORE, "--newer-image")
    assert run.code == 0, run.stderr
    assert "is newer than schools/bench:earlier, by which it runs now" in run.stderr
    assert has_old_database(worked)
    assert migrated(transport) == [SLUG]


def test_a_set_of_an_image_that_nobody_can_tell_goes_by_its_versions(project: Path, worked: ServerModel) -> None:
    worked.backups.run_image("schools/bench:later", "2999-01-01T00:00:00Z")
    for target in worked.backups.targets.values():
        for files in target.sets.values():
            manifest = json.loads(files["manifest.json"])
            files["manifest.json"] = json.dumps({**manifest, "image": None})
    transport = RecordingTransport(worked)
    assert schoolctl(project, transport, *RESTORE).code == 0
    assert migrated(transport) == []


def test_a_restore_by_an_older_program_for_backups_says_what_renews_it(project: Path, worked: ServerModel) -> None:
    worked.backups.is_older = True
    with untouched(worked), untouched(worked, SLUG):
        run = schoolctl(project, RecordingTransport(worked), *RESTORE)
    assert run.code != 0
    assert "its program for backups is older than this schoolctl" in run.stderr
    assert worked.orphans() == []


def test_a_set_whose_tables_do_not_all_arrive_replaces_nothing(project: Path, worked: ServerModel) -> None:
    worked.backups.loses = "tabUser"
    with untouched(worked), untouched(worked, SLUG):
        run = schoolctl(project, RecordingTransport(worked), *RESTORE)
    assert run.code == 1
    assert "what was loaded is not what the set holds: tabUser; nothing was replaced" in run.stderr
    assert worked.orphans() == []


def test_a_set_whose_key_does_not_open_its_secrets_is_refused(project: Path, worked: ServerModel) -> None:
    living = worked.databases[worked.site_config(SLUG)["db_name"]]
    living.seal = "0123456789abcdef"
    worked.backups.clock = lambda: datetime(2030, 1, 31, tzinfo=UTC)
    assert schoolctl(project, RecordingTransport(worked), "backup", SLUG).code == 0
    with untouched(worked, SLUG):
        run = schoolctl(project, RecordingTransport(worked), *RESTORE)
    assert run.code == 5
    assert "does not open 1 of the passwords" in run.stderr
    assert worked.orphans() == []


def test_without_room_nothing_is_fetched(project: Path, worked: ServerModel) -> None:
    worked.free = 100 * 1024 * 1024
    with untouched(worked, SLUG):
        run = schoolctl(project, RecordingTransport(worked), *RESTORE)
    assert run.code == 1
    assert "only 100 MB are free" in run.stderr
    assert worked.orphans() == []


def test_a_folder_beside_that_no_interrupted_restore_owns_is_left_alone(project: Path, worked: ServerModel) -> None:
    strange = f"{ROOT}/archive/{SLUG}.restored"
    worked.make_folder(strange)
    with untouched(worked), untouched(worked, SLUG):
        run = schoolctl(project, RecordingTransport(worked), *RESTORE)
    assert run.code == 5
    assert strange in run.stderr
    assert strange in worked.folders


def test_an_unknown_set_lists_the_known_ones(project: Path, worked: ServerModel) -> None:
    [name] = worked.backups.names(SLUG)
    run = schoolctl(project, RecordingTransport(worked), *RESTORE, "--set", f"../{OTHER}/x")
    assert run.code == 3
    assert name in run.stderr
    assert is_as_before(worked)


def test_a_school_without_a_backup_says_how_to_make_one(project: Path, worked: ServerModel) -> None:
    run = schoolctl(project, RecordingTransport(worked), "restore", OTHER, "--yes")
    assert run.code == 3
    assert f"schoolctl backup {OTHER}" in run.stderr


def test_only_the_database_goes_back_and_the_files_stay(project: Path, worked: ServerModel) -> None:
    before = worked.site_config(SLUG)
    run = schoolctl(project, RecordingTransport(worked), *RESTORE, "--only", "db")
    assert run.code == 0, run.stderr
    assert has_old_database(worked)
    assert worked.files[BADGE] == "another badge"
    assert worked.visit("tech-school.com") == 200
    assert worked.orphans() == []
    [kept] = worked.names_in(f"{ROOT}/archive/{SLUG}")
    assert json.loads(worked.files[f"{ROOT}/archive/{SLUG}/{kept}/site_config.json"]) == before


def test_only_the_files_go_back_and_the_database_stays(project: Path, worked: ServerModel) -> None:
    before = worked.site_config(SLUG)
    run = schoolctl(project, RecordingTransport(worked), *RESTORE, "--only", "files")
    assert run.code == 0, run.stderr
    assert worked.site_config(SLUG)["db_name"] == before["db_name"]
    assert not has_old_database(worked)
    assert worked.files[BADGE] == f"badge of {SLUG}"
    assert worked.orphans() == []
    [kept] = worked.names_in(f"{ROOT}/archive/{SLUG}")
    assert worked.files[f"{ROOT}/archive/{SLUG}/{kept}/public/files/badge.svg"] == "another badge"
    assert schoolctl(project, RecordingTransport(worked), "backup", SLUG).code == 0
    assert before["db_name"] in worked.databases


@pytest.mark.parametrize("only", ["db", "files"])
def test_half_of_a_school_that_is_not_there_is_refused(project: Path, worked: ServerModel, only: str) -> None:
    worked.remove(f"{ROOT}/sites/{SLUG}")
    run = schoolctl(project, RecordingTransport(worked), *RESTORE, "--only", only)
    assert run.code == 5
    assert "leave --only out" in run.stderr


# --- to a moment -----------------------------------------------------------------------------------------------------


@pytest.fixture
def logged(project: Path) -> ServerModel:
    """A school with a set of yesterday, changes at known moments since, and a set of today."""
    server = ServerModel()
    server.backups.logging = True
    open_on(server, project, OTHER)
    open_on(server, project, SLUG)
    server.backups.clock = lambda: datetime(2026, 1, 30, 2, 0, tzinfo=UTC)
    assert schoolctl(project, RecordingTransport(server), "backup", SLUG).code == 0
    name = server.site_config(SLUG)["db_name"]
    for moment, table in (("2026-01-30T10:00:00Z", "tab ten"), ("2026-01-30T11:00:00Z", "tab eleven")):
        server.backups.changes.append((moment, name, table))
        server.databases[name].tables.append(table)
    server.backups.changes.append(("2026-01-30T10:30:00Z", server.site_config(OTHER)["db_name"], "tab of a neighbour"))
    server.backups.clock = lambda: datetime(2026, 1, 31, 2, 0, tzinfo=UTC)
    assert schoolctl(project, RecordingTransport(server), "backup", SLUG).code == 0
    return server


@pytest.mark.parametrize("moment", ["2026-01-30T10:59:59Z", "2026-01-30 10:59:59", "2026-01-30T12:59:59+02:00"])
def test_a_moment_between_two_sets_is_reached_to_the_second(project: Path, logged: ServerModel, moment: str) -> None:
    with untouched(logged):
        run = schoolctl(project, RecordingTransport(logged), *RESTORE, "--at", moment)
    assert run.code == 0, run.stderr
    tables = logged.databases[logged.site_config(SLUG)["db_name"]].tables
    assert [table for table in tables if table.startswith("tab te") or "eleven" in table] == ["tab ten"]
    told = json.loads(run.stdout)
    assert (told["taken"], told["as_of"]) == ("2026-01-30T02:00:00Z", "2026-01-30T10:59:59Z")
    assert "Its files are those of 2026-01-30T02:00:00Z" in run.stderr


def test_a_cut_restore_to_a_moment_is_taken_up_to_that_moment(project: Path, logged: ServerModel) -> None:
    cut = CutAtStep(logged, "Lay it out beside")
    assert schoolctl(project, cut, *RESTORE, "--at", "2026-01-30T10:59:59Z", "--only", "db").code == 4
    run = schoolctl(project, RecordingTransport(logged), "resume")
    assert run.code == 0, run.stderr
    tables = logged.databases[logged.site_config(SLUG)["db_name"]].tables
    assert "tab ten" in tables
    assert "tab eleven" not in tables
    assert logged.orphans() == []


def test_after_a_restore_a_new_set_is_where_the_log_goes_on_from(project: Path, logged: ServerModel) -> None:
    logged.backups.clock = lambda: datetime(2026, 2, 1, tzinfo=UTC)
    assert schoolctl(project, RecordingTransport(logged), *RESTORE).code == 0
    newest = logged.backups.files_of(SLUG, logged.backups.names(SLUG)[-1])
    assert json.loads(newest["manifest.json"])["database"]["name"] == logged.site_config(SLUG)["db_name"]
    assert len(logged.names_in(f"{ROOT}/archive/{SLUG}")) == 1, "it was no backup of what was there before"


def test_a_moment_that_no_log_reaches_is_refused_with_the_set_before_it(project: Path, logged: ServerModel) -> None:
    logged.backups.log_fault = "the logs of 2026-01-30T03:00:00Z are missing"
    with untouched(logged), untouched(logged, SLUG):
        run = schoolctl(project, RecordingTransport(logged), *RESTORE, "--at", "2026-01-30T10:59:59Z")
    assert run.code == 5
    assert "the logs of 2026-01-30T03:00:00Z are missing" in run.stderr
    assert "`--set 20260130T020000Z` restores it as of 2026-01-30T02:00:00Z" in run.stderr
    assert "--or-before" not in run.stderr, "it would meet the same obstacle"


def test_out_of_one_target_it_goes_as_far_as_the_log_there_and_says_so(project: Path, logged: ServerModel) -> None:
    logged.backups.log_ends["local"] = "2026-01-30T10:15:00Z"
    late = (*RESTORE, "--from", "local", "--at", "2026-01-30T12:00:00Z")
    with untouched(logged), untouched(logged, SLUG):
        run = schoolctl(project, RecordingTransport(logged), *late)
    assert run.code == 5
    assert "reach until 2026-01-30T10:15:00Z: `--at 2026-01-30T10:15:00Z` is as far as they go" in run.stderr
    assert "`--or-before` goes as far by itself" in run.stderr
    run = schoolctl(project, RecordingTransport(logged), *late, "--or-before")
    assert run.code == 0, run.stderr
    assert "The log ends at 2026-01-30T10:15:00Z, so that it is as of then, not of 2026-01-30T12:00:00Z." in run.stderr
    tables = logged.databases[logged.site_config(SLUG)["db_name"]].tables
    assert [table for table in tables if table.startswith("tab te") or "eleven" in table] == ["tab ten"]


def test_where_no_log_is_kept_the_set_before_the_moment_is_taken_and_said_so(
    project: Path, worked: ServerModel
) -> None:
    [name] = worked.backups.names(SLUG)
    worked.backups.set_back(SLUG, name, "2026-01-30T02:00:00Z")
    run = schoolctl(project, RecordingTransport(worked), *RESTORE, "--at", "2026-01-30T10:00:00Z")
    assert run.code == 0, run.stderr
    assert "as of 2026-01-30T02:00:00Z, not of 2026-01-30T10:00:00Z" in run.stderr
    assert json.loads(run.stdout)["as_of"] == "2026-01-30T02:00:00Z"


def test_a_moment_before_every_set_is_unknown(project: Path, worked: ServerModel) -> None:
    run = schoolctl(project, RecordingTransport(worked), *RESTORE, "--at", "2000-01-01")
    assert run.code == 3
    assert "There is no set from before 2000-01-01T00:00:00Z" in run.stderr


# --- as another school -----------------------------------------------------------------------------------------------


def test_a_set_opens_as_another_school_with_a_row_of_its_own(project: Path, worked: ServerModel) -> None:
    with untouched(worked), untouched(worked, SLUG):
        run = schoolctl(project, RecordingTransport(worked), *COPY, "--title", "Second School")
    assert run.code == 0, run.stderr
    new = store.load(rows(project))["second-school"]
    assert (new.domain, new.title, new.aliases) == ("second-school.com", "Second School", ())
    assert worked.visit("second-school.com") == 200
    assert has_old_database(worked, "second-school")
    assert worked.site_config("second-school")["db_name"] != worked.site_config(SLUG)["db_name"]
    assert worked.orphans() == []
    assert json.loads(run.stdout)["of"] == SLUG


def test_a_school_without_a_row_comes_back_with_the_one_that_its_set_has(project: Path, worked: ServerModel) -> None:
    file = project / "inventories/test/group_vars/all/schools.yml"
    was = store.load(file)[SLUG]
    store.drop(file, SLUG)
    server = ServerModel()
    server.backups.targets = worked.backups.targets
    run = schoolctl(project, RecordingTransport(server), "--json", "restore", SLUG, "--as", SLUG)
    assert run.code == 0, run.stderr
    assert store.load(file)[SLUG] == was
    assert was.aliases
    # Under another name it has its settings, but neither its names nor what belongs to those.
    store.drop(file, SLUG)
    command = ("restore", SLUG, "--as", "copy", "--domain", "copy.example")
    run = schoolctl(project, RecordingTransport(server), *command)
    assert run.code == 0, run.stderr
    copy = store.load(file)["copy"]
    assert (copy.title, copy.aliases, copy.locale) == (was.title, (), was.locale)


def test_a_copy_for_trying_things_out_never_comes_back_as_a_school(project: Path, worked: ServerModel) -> None:
    clone = ("clone", SLUG, "trial", "--staging", "--domain", "trial.example")
    assert schoolctl(project, RecordingTransport(worked), *clone).code == 0
    assert schoolctl(project, RecordingTransport(worked), "backup", "trial").code == 0
    worked.remove(f"{ROOT}/sites/trial")
    store.drop(rows(project), "trial")
    run = schoolctl(project, RecordingTransport(worked), "restore", "trial", "--as", "trial")
    assert run.code == 5
    assert "would come back as a school that sends mails" in run.stderr
    assert "trial" not in store.load(rows(project))


def test_a_school_whose_row_is_gone_comes_back_under_its_own_name(project: Path, worked: ServerModel) -> None:
    worked.remove(f"{ROOT}/sites/{SLUG}")
    store.drop(rows(project), SLUG)
    refused = schoolctl(project, RecordingTransport(worked), *RESTORE)
    assert refused.code == 3
    assert f"`schoolctl restore {SLUG} --as {SLUG}`" in refused.stderr
    command = ("restore", SLUG, "--as", SLUG, "--domain", "tech-school.com")
    run = schoolctl(project, RecordingTransport(worked), *command)
    assert run.code == 0, run.stderr
    assert is_back(worked)


@pytest.mark.parametrize("how", Break)
def test_another_school_broken_at_any_call_is_absent_or_complete_and_a_rerun_completes(
    tmp_path: Path, how: Break
) -> None:
    for broken in each_break(tmp_path, prepare, COPY, how):
        server, project = broken.server, broken.project
        if broken.run.code == 0:
            continue
        assert is_as_before(server), broken.at
        if how is Break.FAILS and "second-school" not in server.sites():
            assert server.orphans() == [], broken.at
            assert "second-school" not in store.load(rows(project)), broken.at
        school = server.owned_by(SLUG)
        again = schoolctl(project, RecordingTransport(server), "resume")
        if "second-school" not in server.sites():
            again = schoolctl(project, RecordingTransport(server), *COPY)
        assert again.code == 0, f"{broken.at}\n{again.stderr}"
        assert server.visit("second-school.com") == 200, broken.at
        assert server.orphans() == [], broken.at
        assert server.owned_by(SLUG) == school, broken.at


@pytest.mark.parametrize("chosen", [(SLUG,), ("--all",)])
def test_a_certificate_that_a_school_brought_comes_back_with_it_on_an_empty_server(
    project: Path, worked: ServerModel, chosen: tuple[str, ...]
) -> None:
    bring_certificate(project, worked)
    empty = ServerModel()
    empty.backups.targets = worked.backups.targets
    transport = RecordingTransport(empty)
    run = schoolctl(project, transport, "restore", *chosen, "--yes")
    assert run.code == (0 if chosen == (SLUG,) else 6), run.stderr
    assert empty.own_certificates == worked.own_certificates
    assert "-----" not in run.stderr + run.stdout
    assert not [call for call in transport.calls if "PRIVATE KEY" in json.dumps(call.arguments)]
    assert empty.orphans() == []


def test_a_restore_leaves_the_certificate_that_the_server_has(project: Path, worked: ServerModel) -> None:
    bring_certificate(project, worked)
    worked.own_certificates[SLUG] = "a renewed one"
    assert schoolctl(project, RecordingTransport(worked), *RESTORE).code == 0
    assert worked.own_certificates == {SLUG: "a renewed one"}


def test_a_school_whose_certificate_is_nowhere_is_restored_and_told(project: Path, worked: ServerModel) -> None:
    bring_certificate(project, worked, stored=False)
    worked.own_certificates.clear()
    run = schoolctl(project, RecordingTransport(worked), *RESTORE)
    assert run.code == 0
    assert f"`schoolctl set-certificate {SLUG}` brings it" in run.stderr


def bring_certificate(project: Path, server: ServerModel, *, stored: bool = True) -> None:
    """Give a school a certificate that it brings; stored: and back it up with that."""
    (project / "bundle.pem").write_text("-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n")
    given = schoolctl(project, RecordingTransport(server), "set-certificate", SLUG, "--file", f"{project}/bundle.pem")
    assert given.code == 0, given.stderr
    if stored:
        assert schoolctl(project, RecordingTransport(server), "backup", SLUG).code == 0


# --- on an empty server ----------------------------------------------------------------------------------------------


def test_every_school_comes_back_on_an_empty_server(project: Path, worked: ServerModel) -> None:
    schoolctl(project, RecordingTransport(worked), "backup", OTHER)
    empty = ServerModel()
    empty.backups.targets["offsite"].sets = worked.backups.targets["offsite"].sets
    run = schoolctl(project, RecordingTransport(empty), "restore", "--all", "--yes", "--json")
    assert run.code == 0, run.stderr
    assert {row["slug"]: row["result"] for row in json.loads(run.stdout)} == {SLUG: "done", OTHER: "done"}
    assert is_back(empty)
    assert empty.visit("cuisine-school.com") == 200
    assert empty.orphans() == []


def test_one_school_that_fails_never_stops_the_others(project: Path, worked: ServerModel) -> None:
    run = schoolctl(project, RecordingTransport(worked), "restore", "--all", "--yes", "--json", "--jobs", "2")
    assert run.code == 6
    rows = {row["slug"]: row for row in json.loads(run.stdout)}
    assert (rows[SLUG]["result"], rows[OTHER]["result"]) == ("done", "failed")
    assert "there is no set" in rows[OTHER]["because"]
    assert is_back(worked)


# --- faults ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("only", ["all", "db", "files"])
@pytest.mark.parametrize("how", Break)
def test_broken_at_any_call_the_school_is_old_or_restored_and_a_rerun_completes(
    tmp_path: Path, how: Break, only: str
) -> None:
    command = RESTORE if only == "all" else (*RESTORE, "--only", only)
    for broken in each_break(tmp_path, prepare, command, how):
        server = broken.server
        if broken.run.code == 0:
            continue
        assert is_as_before(server) or is_restored(server, only), broken.at
        assert server.visit("cuisine-school.com") == 200, broken.at
        if how is Break.FAILS and is_as_before(server):
            assert server.orphans() == [], broken.at
        other = server.owned_by(OTHER)
        again = schoolctl(broken.project, RecordingTransport(server), *command)
        assert again.code == 0, f"{broken.at}\n{again.stderr}"
        assert is_restored(server, only), broken.at
        assert server.orphans() == [], broken.at
        assert server.owned_by(OTHER) == other, broken.at
        assert any(LATER in database.tables for database in server.databases.values()), broken.at
        assert "another badge" in server.files.values(), broken.at
        assert broken.transport.leaks() == [], broken.at


def is_restored(server: ServerModel, only: str) -> bool:
    badge = "another badge" if only == "db" else f"badge of {SLUG}"
    answers = server.visit("tech-school.com") == 200
    return answers and has_old_database(server) == (only != "files") and server.files[BADGE] == badge


def test_a_server_that_breaks_for_good_at_any_call_loses_nothing_and_the_next_run_completes(tmp_path: Path) -> None:
    for number, (project, server) in enumerate(each_world(tmp_path, prepare)):
        transport = RecordingTransport(server, broken_from=number)
        run = schoolctl(project, transport, *RESTORE)
        if run.code == 0:
            break
        at = f"{number} {transport.calls[number].words}"
        assert is_as_before(server) or is_back(server), at
        again = schoolctl(project, RecordingTransport(server), *RESTORE)
        assert again.code == 0, f"{at}\n{again.stderr}"
        assert is_back(server), at
        assert server.orphans() == [], at
    assert number > 10


def test_a_settled_restore_never_drops_a_database_that_the_living_configuration_cannot_vouch_for(
    project: Path, worked: ServerModel
) -> None:
    # Swapped, then killed; then Frappe was killed too while it rewrote the configuration in place.
    transport = RecordingTransport(worked, word="clear-cache")
    schoolctl(project, transport, *RESTORE)
    living = worked.site_config(SLUG)["db_name"]
    config = f"{ROOT}/sites/{SLUG}/site_config.json"
    worked.files[config] = ""
    worked.make_folder(f"{ROOT}/archive/{SLUG}.restored")
    [kept] = worked.names_in(f"{ROOT}/archive/{SLUG}")
    worked.exchange(f"{ROOT}/archive/{SLUG}/{kept}", f"{ROOT}/archive/{SLUG}.restored")
    worked.remove(f"{ROOT}/archive/{SLUG}/{kept}")
    old = json.loads(worked.files[f"{ROOT}/archive/{SLUG}.restored/site_config.json"])["db_name"]
    schoolctl(project, RecordingTransport(worked), *RESTORE)
    assert {living, old} <= set(worked.databases)


def test_an_interrupted_restore_goes_on_with_the_set_that_it_had_chosen(project: Path, worked: ServerModel) -> None:
    [chosen] = worked.backups.names(SLUG)
    worked.backups.set_back(SLUG, chosen, hours_ago(2).strftime("%Y-%m-%dT%H:%M:%SZ"))
    [chosen] = worked.backups.names(SLUG)
    schoolctl(project, RecordingTransport(worked, word="clear-cache"), *RESTORE)
    assert schoolctl(project, RecordingTransport(worked), "resume").code == 0
    assert is_back(worked)
