import gzip
import io
import json
import os
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from schoolctl.schools import store
from tests.support.project import CHECKOUT, OTHER, open_on, schoolctl, untouched
from tests.support.recording_transport import Break, CutAtStep, RecordingTransport
from tests.support.server_model import ROOT, ServerModel, a_tar, seal_of
from tests.workflows.faults import each_break, each_world

SLUG = "tech-school"
NEW = "second-school"
STAMP = "20260131_020000-old.example"
KEY = "key of another bench"
SQL = "CREATE TABLE `tabUser`\nCREATE TABLE `tabSingles`\n-- frappe 15.40.0\n-- erpnext 15.40.0\n"


def rows(project: Path) -> Path:
    return project / "inventories/test/group_vars/all/schools.yml"


@pytest.fixture
def opened(project: Path, server: ServerModel) -> ServerModel:
    open_on(server, project, SLUG)
    return server


@pytest.fixture
def exported(project: Path, opened: ServerModel) -> Path:
    file = project / "tech.tar"
    run = schoolctl(project, RecordingTransport(opened), "export", SLUG, str(file))
    assert run.code == 0, run.stderr
    return file


def stock(folder: Path, *, key: str | None = KEY, sql: str = SQL, public: dict[str, str] | None = None) -> Path:
    """Write what `bench backup` leaves of a site, into a folder."""
    folder.mkdir()
    sealed = f"{sql}-- sealed by {seal_of(KEY)}\n"
    (folder / f"{STAMP}-database.sql.gz").write_bytes(gzip.compress(sealed.encode()))
    files = {"./old.example/public/files/logo.png": "logo"} if public is None else public
    (folder / f"{STAMP}-files.tar").write_bytes(a_tar(files))
    (folder / f"{STAMP}-private-files.tar").write_bytes(a_tar({"./old.example/private/files/marks.csv": "marks"}))
    if key:
        config = {"db_name": "other", "db_password": "x", "encryption_key": key, "mail_password": "of another"}
        (folder / f"{STAMP}-site_config_backup.json").write_text(json.dumps(config))
    return folder


def imports(file: Path) -> tuple[str, ...]:
    return ("--json", "import", str(file), "--as", NEW, "--domain", "second-school.com")


# --- export ----------------------------------------------------------------------------------------------------------


def test_an_export_has_the_names_that_a_stock_bench_restores_and_is_for_its_owner_alone(
    opened: ServerModel, exported: Path
) -> None:
    assert exported.stat().st_mode & 0o777 == 0o600
    with tarfile.open(exported) as archive:
        names = [name.partition(f"-{SLUG}-")[2] for name in archive.getnames()]
        assert names == [
            *("database.sql.gz", "files.tar", "private-files.tar", "site_config_backup.json", "schoolctl.json"),
        ]
        config, inner = (archive.extractfile(archive.getmembers()[number]) for number in (3, 1))
        assert config is not None
        assert inner is not None
        told = json.loads(config.read())
        assert told["encryption_key"] == opened.site_config(SLUG)["encryption_key"]
        assert "db_password" not in told
        with tarfile.open(fileobj=io.BytesIO(inner.read())) as files:
            assert files.getnames() == [f"./{SLUG}/public/files/badge.svg"]
    assert opened.orphans() == []


def test_a_school_to_which_nobody_uploaded_anything_travels_too(project: Path, server: ServerModel) -> None:
    assert schoolctl(project, RecordingTransport(server), "new-school", SLUG).code == 0
    file = project / "tech.tar"
    run = schoolctl(project, RecordingTransport(server), "export", SLUG, str(file))
    assert run.code == 0, run.stderr
    run = schoolctl(project, RecordingTransport(server), *imports(file))
    assert run.code == 0, run.stderr
    assert server.visit("second-school.com") == 200


def test_an_older_set_is_exported_by_its_name(project: Path, opened: ServerModel) -> None:
    schoolctl(project, RecordingTransport(opened), "backup", SLUG)
    [name] = opened.backups.names(SLUG)
    opened.files[f"{ROOT}/sites/{SLUG}/public/files/badge.svg"] = "another badge"
    file = project / "old.tar"
    run = schoolctl(project, RecordingTransport(opened), "--json", "export", SLUG, str(file), "--set", name)
    assert run.code == 0, run.stderr
    assert json.loads(run.stdout)["set"] == name
    assert b"badge of tech-school" in file.read_bytes()
    assert opened.orphans() == []


@pytest.mark.parametrize("how", Break)
def test_an_export_broken_at_any_call_leaves_the_old_file_and_a_rerun_succeeds(tmp_path: Path, how: Break) -> None:
    file = tmp_path / "tech.tar"

    def prepare(server: ServerModel, project: Path) -> None:
        open_on(server, project, OTHER)
        open_on(server, project, SLUG)

    file.write_text("an older one")
    for broken in each_break(tmp_path, prepare, ("export", SLUG, str(file)), how):
        server = broken.server
        if broken.run.code != 0 and file.read_text(errors="replace") != "an older one":
            with tarfile.open(file) as archive:
                assert len(archive.getnames()) == 5, broken.at
        assert list(tmp_path.glob(".*partial")) == [], broken.at
        if how is Break.FAILS and broken.run.code != 0:
            assert server.orphans() in ([], [f"{ROOT}/backups/fetched/{SLUG}.export"]), broken.at
        school = server.owned_by(SLUG)["database"]
        again = schoolctl(broken.project, RecordingTransport(server), "export", SLUG, str(file))
        assert again.code == 0, f"{broken.at}\n{again.stderr}"
        assert server.orphans() == [], broken.at
        assert server.owned_by(SLUG)["database"] == school, broken.at
        file.write_text("an older one")


def test_a_piece_that_is_lost_on_the_way_is_no_export(
    project: Path, opened: ServerModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = RecordingTransport._do_read_on

    def losing(transport: RecordingTransport, reader: int) -> dict[str, object]:
        answer = whole(transport, reader)
        return answer if answer["sha256"] is None else {**answer, "piece": ""}

    monkeypatch.setattr(RecordingTransport, "_do_read_on", losing)
    file = project / "tech.tar"
    run = schoolctl(project, RecordingTransport(opened), "export", SLUG, str(file))
    assert run.code == 1
    assert "arrived otherwise" in run.stderr
    assert not file.exists()
    assert opened.orphans() == []


@pytest.mark.parametrize("slug", [SLUG, "art-private", "private-files"])
def test_the_commands_of_the_guide_name_each_member_of_an_export_and_no_other(
    project: Path, server: ServerModel, slug: str
) -> None:
    domain = () if slug == SLUG else ("--domain", f"{slug}.example")
    assert schoolctl(project, RecordingTransport(server), "new-school", slug, *domain).code == 0
    for kind in ("public", "private"):
        server.put(f"{ROOT}/sites/{slug}/{kind}/files/a.txt", "of a pupil")
    file = project / f"{slug}.tar"
    run = schoolctl(project, RecordingTransport(server), "export", slug, str(file))
    assert run.code == 0, run.stderr
    guide = (CHECKOUT / "docs/guides/backup-and-restore.md").read_text()
    shown = re.search(r"^ {4}mkdir .*?^ {4}bench --site NEW restore .*?[^\\]\n", guide, re.MULTILINE | re.DOTALL)
    assert shown is not None
    script = 'bench() { printf "%s\\n" "$@"; }\n' + shown[0].replace("art-school", slug)
    environment = {"PATH": os.environ["PATH"], "HOME": str(project)}
    done = subprocess.run(["bash", "-eu"], input=script, cwd=project, env=environment, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    [stamp] = {path.name[:15] for path in (project / "exported").iterdir()}
    members = {
        part: f"{project}/exported/{stamp}-{slug}-{part}"
        for part in ("database.sql.gz", "files.tar", "private-files.tar")
    }
    assert done.stdout.splitlines() == [
        *("--site", "NEW", "restore", members["database.sql.gz"]),
        *("--with-public-files", members["files.tar"], "--with-private-files", members["private-files.tar"]),
    ]
    # As a stock bench unpacks them: into the site's folder, without the first two parts of each name.
    for kind, member in (("public", "files.tar"), ("private", "private-files.tar")):
        with tarfile.open(members[member]) as archive:
            assert f"{kind}/files/a.txt" in {name.split("/", 2)[2] for name in archive.getnames()}


# --- import ----------------------------------------------------------------------------------------------------------


def test_an_export_opens_as_another_school_with_all_that_it_holds(
    project: Path, opened: ServerModel, exported: Path
) -> None:
    with untouched(opened), untouched(opened, SLUG):
        run = schoolctl(project, RecordingTransport(opened), *imports(exported))
    assert run.code == 0, run.stderr
    assert opened.visit("second-school.com") == 200
    old, new = opened.site_config(SLUG), opened.site_config(NEW)
    assert new["encryption_key"] == old["encryption_key"]
    assert new["db_password"] != old["db_password"]
    assert sorted(opened.databases[new["db_name"]].tables) == sorted(opened.databases[old["db_name"]].tables)
    assert opened.files[f"{ROOT}/sites/{NEW}/private/files/marks.csv"] == f"marks of {SLUG}"
    assert store.load(rows(project))[NEW].title == "Tech School"
    assert opened.orphans() == []


def test_on_another_server_an_export_needs_no_option(project: Path, exported: Path) -> None:
    store.drop(rows(project), SLUG)
    empty = ServerModel()
    run = schoolctl(project, RecordingTransport(empty), "import", str(exported))
    assert run.code == 0, run.stderr
    assert empty.visit("tech-school.com") == 200
    assert empty.visit("www.tech-school.com") == 308
    assert store.load(rows(project))[SLUG].locale is not None


def test_a_stock_set_becomes_a_school_of_todays_versions_with_every_app(project: Path, opened: ServerModel) -> None:
    run = schoolctl(project, RecordingTransport(opened), *imports(stock(project / "set")))
    assert run.code == 0, run.stderr
    config = opened.site_config(NEW)
    database = opened.databases[config["db_name"]]
    assert database.versions == opened.versions
    assert "tab lms_app" in database.tables
    assert config["encryption_key"] == KEY
    assert "mail_password" not in config
    assert opened.files[f"{ROOT}/sites/{NEW}/public/files/logo.png"] == "logo"
    assert opened.orphans() == []


def test_a_tar_of_a_stock_set_and_its_database_alone_are_taken_too(project: Path, opened: ServerModel) -> None:
    folder = stock(project / "set")
    packed = project / "set.tar"
    with tarfile.open(packed, "w") as archive:
        archive.add(folder, arcname="backups")
    assert schoolctl(project, RecordingTransport(opened), *imports(packed)).code == 0
    alone = next(folder.glob("*.sql.gz"))
    command = ("import", str(alone), "--as", "third-school", "--domain", "third.example", "--lose-secrets", "--json")
    run = schoolctl(project, RecordingTransport(opened), *command)
    assert run.code == 0, run.stderr
    assert json.loads(run.stdout)["lost_secrets"] == 1
    assert opened.visit("third.example") == 200


@pytest.mark.parametrize(
    ("key", "words"),
    [(None, "it came without its encryption_key: 1 stored passwords"), ("a wrong one", "of another site: 1 stored")],
)
def test_secrets_that_could_never_be_read_again_are_lost_only_if_somebody_says_so(
    project: Path, opened: ServerModel, key: str | None, words: str
) -> None:
    run = schoolctl(project, RecordingTransport(opened), *imports(stock(project / "set", key=key)))
    assert run.code == 5
    assert words in run.stderr
    assert NEW not in store.load(rows(project))
    assert opened.orphans() == []


def test_a_site_of_newer_code_is_refused(project: Path, opened: ServerModel) -> None:
    sql = SQL.replace("frappe 15.40.0", "frappe 16.0.0")
    run = schoolctl(project, RecordingTransport(opened), *imports(stock(project / "set", sql=sql)))
    assert run.code == 5
    assert "frappe 16.0.0, and the image has 15.55.1" in run.stderr
    assert opened.orphans() == []


def migrated(transport: RecordingTransport) -> bool:
    return any("migrate" in argv for argv in transport.programs)


def test_what_was_exported_elsewhere_is_migrated_unless_the_very_same_image_runs_here(
    project: Path, opened: ServerModel, exported: Path
) -> None:
    transport = RecordingTransport(opened)
    assert schoolctl(project, transport, *imports(exported)).code == 0
    assert not migrated(transport)
    opened.backups.run_image("schools/bench:later", "2999-01-01T00:00:00Z")
    transport = RecordingTransport(opened)
    again = ("import", str(exported), "--as", "third-school", "--domain", "third.example")
    assert schoolctl(project, transport, *again).code == 0
    assert migrated(transport)
    # Of a stock bench nobody knows more than versions, which are those of many commits.
    sql = SQL.replace("frappe 15.40.0", "frappe 15.55.1")
    transport = RecordingTransport(opened)
    command = ("import", str(stock(project / "set", sql=sql)), "--as", "art-college", "--domain", "fourth.example")
    assert schoolctl(project, transport, *command).code == 0
    assert migrated(transport)


def test_an_export_of_a_newer_image_is_refused_until_somebody_says_so(
    project: Path, opened: ServerModel, exported: Path
) -> None:
    opened.backups.run_image("schools/bench:earlier", "2020-01-01T00:00:00Z")
    with untouched(opened), untouched(opened, SLUG):
        run = schoolctl(project, RecordingTransport(opened), *imports(exported))
    assert run.code == 5
    assert "which is newer than schools/bench:earlier" in run.stderr
    assert NEW not in store.load(rows(project))
    assert opened.orphans() == []
    transport = RecordingTransport(opened)
    assert schoolctl(project, transport, *imports(exported), "--newer-image").code == 0
    assert migrated(transport)


@pytest.mark.parametrize("name", ["tabInstalled Application", "__Auth", "tabUser"])
def test_a_view_where_the_server_itself_would_read_is_refused(project: Path, opened: ServerModel, name: str) -> None:
    sql = SQL.replace("`tabUser`", "`tabNote`") + f"CREATE VIEW `{name}`\n"
    run = schoolctl(project, RecordingTransport(opened), *imports(stock(project / "set", sql=sql)))
    assert run.code == 5
    assert f"`{name}` is a view in it" in run.stderr
    assert NEW not in store.load(rows(project))
    assert opened.orphans() == []


def test_a_dump_that_reaches_for_others_gets_no_further_than_its_own_database(
    project: Path, opened: ServerModel
) -> None:
    with untouched(opened), untouched(opened, SLUG):
        sql = SQL + "USE sch000000000000; DROP TABLE tabUser;\n"
        run = schoolctl(project, RecordingTransport(opened), *imports(stock(project / "set", sql=sql)))
    assert run.code == 1
    assert opened.orphans() == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("./old.example/public/files/../../../evil", "leads out of its folder"),
        ("/old.example/public/files/evil", "leads out of its folder"),
        ("./old.example/private/files/logo.png", "lies in no public/files"),
        ("logo.png", "lies in no public/files"),
    ],
)
def test_names_that_lead_elsewhere_are_refused_before_the_server_is_asked(
    project: Path, opened: ServerModel, name: str, words: str
) -> None:
    transport = RecordingTransport(opened)
    run = schoolctl(project, transport, *imports(stock(project / "set", public={name: "evil"})))
    assert run.code == 5
    assert words in run.stderr
    assert transport.calls == []


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_what_is_neither_file_nor_folder_is_refused(project: Path, opened: ServerModel, kind: bytes) -> None:
    folder = stock(project / "set")
    with tarfile.open(folder / f"{STAMP}-files.tar", "w") as archive:
        member = tarfile.TarInfo("./old.example/public/files/passwd")
        member.type, member.linkname = kind, "/etc/passwd"
        archive.addfile(member)
    transport = RecordingTransport(opened)
    run = schoolctl(project, transport, *imports(folder))
    assert run.code == 5
    assert "is neither a file nor a folder" in run.stderr
    assert transport.calls == []


def test_an_export_that_was_changed_is_refused(project: Path, opened: ServerModel, exported: Path) -> None:
    exported.write_bytes(exported.read_bytes().replace(b"badge of tech-school", b"badge of tech-scholl"))
    transport = RecordingTransport(opened)
    run = schoolctl(project, transport, *imports(exported))
    assert run.code == 5
    assert "files.tar is not what was exported" in run.stderr
    assert transport.calls == []


def test_an_import_that_was_cut_is_taken_up_by_resume(project: Path, opened: ServerModel, exported: Path) -> None:
    cut = CutAtStep(opened, "Load its database")
    assert schoolctl(project, cut, *imports(exported)).code == 4
    run = schoolctl(project, RecordingTransport(opened), "resume")
    assert run.code == 0, run.stderr
    assert opened.visit("second-school.com") == 200
    assert opened.orphans() == []


@pytest.mark.parametrize("how", Break)
def test_an_import_broken_at_any_call_is_absent_or_complete(tmp_path: Path, how: Break) -> None:
    folder = stock(tmp_path / "set")

    def prepare(server: ServerModel, project: Path) -> None:
        open_on(server, project, OTHER)

    for broken in each_break(tmp_path, prepare, imports(folder), how):
        server, project = broken.server, broken.project
        if broken.run.code == 0:
            continue
        if how is Break.FAILS and NEW not in server.sites():
            assert server.orphans() == [], broken.at
            assert NEW not in store.load(rows(project)), broken.at
        other = server.owned_by(OTHER)
        if server.visit("second-school.com") != 200 or server.claims():
            again = schoolctl(project, RecordingTransport(server), *imports(folder))
            assert again.code == 0, f"{broken.at}\n{again.stderr}"
        assert server.visit("second-school.com") == 200, broken.at
        assert server.orphans() == [], broken.at
        assert server.owned_by(OTHER) == other, broken.at
        assert broken.transport.leaks() == [], broken.at


def test_a_server_that_breaks_for_good_while_importing_loses_nothing(tmp_path: Path) -> None:
    folder = stock(tmp_path / "set")

    def prepare(server: ServerModel, project: Path) -> None:
        open_on(server, project, OTHER)

    for number, (project, server) in enumerate(each_world(tmp_path, prepare)):
        transport = RecordingTransport(server, broken_from=number)
        if schoolctl(project, transport, *imports(folder)).code == 0:
            break
        if server.visit("second-school.com") != 200 or server.claims():
            again = schoolctl(project, RecordingTransport(server), *imports(folder))
            assert again.code == 0, f"{number} {transport.calls[number].words}\n{again.stderr}"
        assert server.orphans() == [], number
    assert number > 10
