"""What backup_schedule promises of an object storage: sets get there, are proven from there, and no secret shows."""

from collections.abc import Callable, Iterator

import pytest
from journey import Journey
from object_storage import CLOUD, ObjectStorage, object_storage_beside
from vault import declare
from watch import LEAST_HZ, watched

SLUG = "tech-school"
KEY, CREDENTIALS = "/etc/schools/backup/key", f"/etc/schools/backup/credentials/{CLOUD}"


@pytest.fixture(scope="module")
def storage(lab: Journey, play: Callable[[str], str]) -> Iterator[ObjectStorage]:
    """Return an object storage that is a target, whose bucket was made with its repository."""
    place = lab.project.platform_file
    before = place.read_text(), place.with_name("vault.yml").read_bytes()
    with object_storage_beside(lab) as storage:
        declare(lab, storage.targets, storage.credentials)
        play("backups")
        lab.schoolctl("backup-targets", "init", CLOUD)
        yield storage
    place.write_text(before[0])
    place.with_name("vault.yml").write_bytes(before[1])
    play("backups")


def test_a_school_is_backed_up_to_an_object_storage_and_proven_from_there(lab: Journey, storage: ObjectStorage) -> None:
    with watched(lab) as watch:
        lab.schoolctl("backup", SLUG, "--to", CLOUD)
        lab.schoolctl("verify-backup", SLUG, "--from", CLOUD)
        newest = lab.json("backups", SLUG, "--fresh")[-1]
    assert CLOUD in newest["targets"]
    assert newest["disputed"] == []
    assert storage.names("snapshots")
    assert watch.looks > LEAST_HZ * watch.seconds
    assert [argv for argv in watch.arguments if "/restic backup" in argv]
    assert watch.showing([storage.secret]) == []


def test_with_an_account_that_may_only_add_sets_get_there_and_none_goes(lab: Journey, storage: ObjectStorage) -> None:
    storage.take_nothing_away()
    before = storage.names("snapshots")
    lab.schoolctl("backup", SLUG, "--to", CLOUD)
    there = storage.names("snapshots")
    assert there > before
    assert storage.names("locks") == set()
    # As somebody does who has the server, with all that it knows.
    forget = f"set -a; . {CREDENTIALS}; /usr/local/lib/schools/restic --password-file {KEY} forget $0 2>&1 || true"
    environment = ("env", f"RESTIC_REPOSITORY={storage.targets[CLOUD]['repository']}")
    said = lab.on_server(*environment, "sh", "-c", forget, there.pop().rpartition("/")[2])
    assert "Access Denied" in said
    assert storage.names("snapshots") > there
    storage.let_all()


@pytest.mark.usefixtures("storage")
def test_a_wrong_secret_is_told_in_the_words_of_the_storage(lab: Journey) -> None:
    lab.on_server("sed", "--in-place=.true", "s/^AWS_SECRET_ACCESS_KEY=.*/&-no-more/", CREDENTIALS)
    words = "is refused: The request signature we calculated does not match the signature you provided"
    try:
        faults = {row["name"]: row["fault"] for row in lab.json("backup-targets", "list")}
        assert words in faults[CLOUD]
        assert faults["local"] is None
        refused = lab.schoolctl("backup", SLUG, "--to", CLOUD, code=1)
        assert words in refused.stderr
        assert "no-more" not in refused.stderr
    finally:
        lab.on_server("mv", f"{CREDENTIALS}.true", CREDENTIALS)
    assert lab.json("backup-targets", "check", CLOUD)[0]["ok"]
