"""The end of the journey, after all that stands before it by name: a moment is brought back, then the whole server.

Every school goes on afterwards, on another server, for the tests of the app.
"""

import datetime
import time
from collections.abc import Iterator

import pytest
from belongings import Belongings, checksums, expect_all, put_in, site_config, sql
from guide import commands
from journey import Journey
from loss import image_kept, lose_server, make_server
from vault import OFFSITE, Vault, declare, secrets_of, vault_beside
from watch import LEAST_HZ, watched

TECH, CUISINE = "tech-school", "cuisine-school"
# What a school's people change, and nobody else: on real Frappe jobs write into other tables at any time.
QUIET = ("tabUser", "tabDefaultValue", "__Auth")
ISO = "%Y-%m-%dT%H:%M:%SZ"


@pytest.fixture(scope="module")
def vault(lab: Journey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vault]:
    """Return a vault that is a target, while the database keeps a log that reaches to any second."""
    with vault_beside(lab, tmp_path_factory.mktemp("vault")) as vault:
        declare(lab, {OFFSITE: vault.targets[OFFSITE]}, {}, point_in_time=True)
        lab.schoolctl("provision", "--no-golden", "--tags", "bench,backups")
        vault.let_in(lab)
        lab.schoolctl("backup-targets", "init")
        yield vault


@pytest.fixture(scope="module")
def schools(lab: Journey, vault: Vault) -> dict[str, Belongings]:
    """Return what every school has; a set of each is in the vault."""
    declared = lab.project.schools()
    found = {slug: put_in(lab, slug, declared[slug].domain) for slug in (TECH, CUISINE)}
    lab.schoolctl("backup", "--all")
    assert vault.packs()
    return found


def now(lab: Journey) -> datetime.datetime:
    """Return the time by the server's clock, to the second."""
    said = lab.on_server("date", "--utc", f"+{ISO}").strip()
    return datetime.datetime.strptime(said, ISO).replace(tzinfo=datetime.UTC)


def default(lab: Journey, name: str) -> list[str]:
    return sql(lab, TECH, f"SELECT defvalue FROM `tabDefaultValue` WHERE name = '{name}';")  # noqa: S608


def write_default(lab: Journey, name: str) -> None:
    values = f"('{name}', '{name}', 'yes', '{name}')"
    sql(lab, TECH, f"INSERT INTO `tabDefaultValue` (name, defkey, defvalue, parent) VALUES {values};")  # noqa: S608


def test_a_row_deleted_at_a_second_is_back_as_of_the_second_before_and_the_neighbour_is_untouched(
    lab: Journey, schools: dict[str, Belongings]
) -> None:
    write_default(lab, "written-since")
    time.sleep(3)
    deleted_at = now(lab)
    sql(lab, TECH, "DELETE FROM `tabDefaultValue` WHERE name = 'written-since';")
    write_default(lab, "written-after")
    untouched = checksums(lab, CUISINE, *QUIET)
    database = site_config(lab, CUISINE)["db_name"]
    at = (deleted_at - datetime.timedelta(seconds=1)).strftime(ISO)

    restored = lab.json("restore", TECH, "--at", at, "--yes")

    assert default(lab, "written-since") == ["yes"], "it was written after the set, and is in the log alone"
    assert default(lab, "written-after") == []
    assert restored["as_of"] <= at
    assert checksums(lab, CUISINE, *QUIET) == untouched
    assert site_config(lab, CUISINE)["db_name"] == database
    expect_all(lab, schools[TECH])
    assert lab.json("plan") == []


def test_no_secret_shows_while_schools_are_backed_up_restored_and_proven(
    lab: Journey, schools: dict[str, Belongings]
) -> None:
    def of_sites() -> list[str]:
        configs = [site_config(lab, slug) for slug in schools]
        return [str(config[name]) for config in configs for name in ("db_password", "encryption_key")]

    kept = secrets_of(lab)
    own_key = lab.on_server("cat", "/etc/schools/backup/ssh/id_ed25519").splitlines()[1:-1]
    secrets = [*of_sites(), kept["backup_key"], *own_key]
    secrets += [secret for belongings in schools.values() for secret in belongings.secrets]
    with watched(lab) as watch:
        lab.on_server("python3", "-c", "import time; time.sleep(0.3)", "seen-in-arguments")
        lab.on_server("logger", "seen-in-a-journal")
        lab.schoolctl("backup", "--all")
        lab.schoolctl("restore", TECH, "--yes")
        lab.schoolctl("verify-backup", "--all")
        lab.on_server("systemctl", "start", "schools-backups.service")
    secrets += of_sites()

    assert watch.looks > LEAST_HZ * watch.seconds
    # A watch that sees nothing proves nothing.
    assert "arguments" in watch.showing(["seen-in-arguments"])
    assert "written" in watch.showing(["seen-in-a-journal"])
    assert watch.showing(secrets) == []


def test_a_lost_server_is_made_anew_from_the_sets_elsewhere(
    lab: Journey, vault: Vault, schools: dict[str, Belongings]
) -> None:
    lab.schoolctl("backup", "--all")
    rows = {row["slug"]: row for row in lab.json("schools")}
    counted = {slug: sql(lab, slug, "SELECT COUNT(*) FROM `tabUser`;") for slug in schools}
    with image_kept(lab):
        lose_server(lab)
        assert lab.visit(schools[TECH].host) is None
        make_server(lab)
        vault.connect(lab.container)
        for words in commands("disaster.md", "The server is lost"):
            lab.schoolctl(*words, *(["--yes"] if words[0] == "restore" else []), timeout=1800)
            if words[0] == "backup-targets":
                vault.let_in(lab)
    for slug, belongings in schools.items():
        expect_all(lab, belongings)
        assert sql(lab, slug, "SELECT COUNT(*) FROM `tabUser`;") == counted[slug]
        found = next(row for row in lab.json("schools") if row["slug"] == slug)
        assert found["state"] == rows[slug]["state"]
        assert found["database"] != rows[slug]["database"], "names of databases are never used twice"
        page = lab.visit(belongings.host, "/learn")
        assert page is not None
        assert page.status == 200


def test_on_the_new_server_nothing_is_left_to_do(lab: Journey) -> None:
    assert lab.json("plan") == []
    assert lab.changes_left_for_ansible() == []
