from base64 import b64encode
from typing import Any

import pytest

from schoolctl.errors import DeclarationError
from schoolctl.render import context
from schoolctl.schools.backups import DEFAULT_KEEP, Backups, Keep, Target
from schoolctl.schools.model import School
from schoolctl.schools.platform import Platform
from tests.support.project import CHECKOUT

_KIND = b"ssh-ed25519"
HOST_KEY = f"ssh-ed25519 {b64encode(bytes([0, 0, 0, 11]) + _KIND + bytes([0, 0, 0, 32]) + bytes(32)).decode()}"
SFTP = {"repository": "sftp:backup@vault.example:/srv/schools", "host_key": HOST_KEY}


def read(**values: Any) -> Backups:
    return Backups.from_mapping("backups", values)


def fault(**values: Any) -> str:
    with pytest.raises(DeclarationError) as raised:
        read(**values)
    return raised.value.because


def fault_of(repository: Any, **values: Any) -> str:
    return fault(targets={"offsite": {"repository": repository, **values}})


def test_without_a_word_every_school_is_kept_on_its_own_server() -> None:
    assert read() == Backups()
    assert Backups().placed("/srv/a") == {"local": Target("/srv/a/backups/repository")}


def test_the_target_on_the_server_stands_beside_all_others_unless_it_is_switched_off() -> None:
    assert list(read(targets={"offsite": SFTP}).targets) == ["local", "offsite"]
    assert list(read(targets={"offsite": SFTP, "local": False}).targets) == ["offsite"]
    assert (
        read(targets={"local": {"upload_kib": 5}}).placed("/srv/a")["local"].repository == "/srv/a/backups/repository"
    )
    assert read(targets={"local": {"repository": "/mnt/disk"}}).placed("/srv/a")["local"].repository == "/mnt/disk"


@pytest.mark.parametrize(
    ("repository", "ssh"),
    [
        ("sftp:backup@vault.example:/srv/schools", {"user": "backup", "host": "vault.example", "port": 22}),
        ("sftp:vault.example:/srv/schools", {"user": "", "host": "vault.example", "port": 22}),
        ("sftp://backup@vault.example:2222//srv/schools", {"user": "backup", "host": "vault.example", "port": 2222}),
    ],
)
def test_it_is_known_which_server_an_sftp_target_means(repository: str, ssh: dict[str, Any]) -> None:
    target = read(targets={"offsite": {**SFTP, "repository": repository}}).targets["offsite"]

    assert target.ssh == ssh
    assert target.folder == ""


@pytest.mark.parametrize(
    "repository",
    [
        "/mnt/disk/schools",
        "rest:https://backup.example/schools/",
        "rest:http://10.0.8.5:8000/",
        "s3:https://s3.example/bucket/schools",
        "s3:s3.eu-west-1.amazonaws.com/bucket",
    ],
)
def test_a_repository_is_written_as_restic_writes_it(repository: str) -> None:
    target = read(targets={"offsite": {"repository": repository}}).targets["offsite"]

    assert target.repository == repository
    assert target.ssh is None
    assert target.folder == (repository if repository[0] == "/" else "")


@pytest.mark.parametrize(
    "repository",
    [
        "rest:https://me:canary@backup.example/",
        "rest:https://me@backup.example/",
        "s3:https://key:canary@s3.example/bucket",
        "sftp:me:canary@vault.example:/srv/schools",
        "sftp://me:canary@vault.example:22//srv/schools",
    ],
)
def test_an_address_with_a_password_is_refused_and_not_repeated(repository: str) -> None:
    words = fault_of(repository)

    assert "targets.offsite.repository: has a user or a password in it" in words
    assert "canary" not in words


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"target": {}}, "backups.target: unknown key, did you mean `targets`?"),
        ({"targets": []}, "backups.targets: must be a mapping of names"),
        ({"targets": {"local": False}}, "backups.targets: names no target"),
        ({"targets": {"local": True}}, "backups.targets.local: must be a mapping"),
        ({"targets": {"Off site": SFTP}}, "backups.targets.Off site: a target's name has up to 30"),
        ({"targets": {"a": False}}, "backups.targets.a: must be a mapping"),
        ({"targets": {"a": {}}}, "backups.targets.a.repository: is missing"),
        ({"targets": {"a": {"repositry": "/mnt/a"}}}, "did you mean `repository`?"),
        ({"targets": {"a": {**SFTP, "append_only": "yes"}}}, "a.append_only: 'yes' is neither true nor false"),
        ({"targets": {"a": {**SFTP, "upload_kib": -1}}}, "a.upload_kib: -1 is no whole number from 0"),
        ({"targets": {"a": {**SFTP, "upload_kib": True}}}, "a.upload_kib: True is no whole number"),
        ({"targets": {"a": {**SFTP, "download_kib": -1}}}, "a.download_kib: -1 is no whole number from 0"),
        ({"targets": {"a": {**SFTP, "host_key": ""}}}, "a.host_key: must be the public key of that SFTP server"),
        ({"targets": {"a": {**SFTP, "host_key": HOST_KEY + " x\n"}}}, "a.host_key: contains the invisible character"),
        ({"targets": {"a": {**SFTP, "host_key": "ssh-rsa " + HOST_KEY[12:]}}}, "a.host_key: must be the public key"),
        ({"targets": {"a": {"repository": "/mnt/a", "host_key": HOST_KEY}}}, "belongs to an SFTP server only"),
        ({"keep": {"dayly": 7}}, "backups.keep.dayly: unknown key, did you mean `daily`?"),
        ({"keep": {"daily": "7"}}, "backups.keep.daily: '7' is no whole number from 0 to 1000"),
        ({"keep": {"last": 0, "daily": 0, "weekly": 0, "monthly": 0}}, "backups.keep: keeps no set at all"),
        ({"at": "2:15"}, "backups.at: '2:15' is no time of day"),
        ({"at": 135}, "backups.at: must be text, but YAML reads it as int"),
        ({"stale_hours": 0}, "backups.stale_hours: 0 is no whole number from 1"),
        ({"drill_days": 366}, "backups.drill_days: 366 is no whole number from 1 to 365"),
        ({"point_in_time": 1}, "backups.point_in_time: 1 is neither true nor false"),
        ({"alarm": {"command": "mail"}}, "backups.alarm.command: must be a list"),
        ({"alarm": {"command": ["mail"]}}, "backups.alarm.command[0]: 'mail' is no full path"),
        ({"alarm": {"webhook": "https://a.example/secret"}}, "backups.alarm.webhook: 'https"),
        (None, "backups: must be a mapping"),
    ],
)
def test_a_wrong_value_is_refused_with_its_place(values: dict[str, Any] | None, reason: str) -> None:
    with pytest.raises(DeclarationError) as raised:
        Backups.from_mapping("backups", values)
    assert reason in raised.value.because


@pytest.mark.parametrize(
    "repository",
    [
        *("", "/", "/mnt", "mnt/disk", "/mnt/../etc", "/mnt/a b", "/mnt/$x", "/mnt/a;b", "local:/mnt/a", "b2:a:b"),
        *("sftp:vault.example", "sftp:vault.example:srv", "sftp:-oProxyCommand=x:/srv/a", "sftp:a@b:2222//srv/a"),
        *("rest:ftp://a.example/", "rest:https://", "s3:bucket", "s3:https:// a/b", "sftp:a@b:/srv/`id`"),
    ],
)
def test_what_restic_or_ssh_would_read_as_something_else_is_refused(repository: str) -> None:
    assert "is no repository such as" in fault_of(repository, host_key=HOST_KEY if "sftp" in repository else "")


def test_plain_http_is_for_a_private_address_alone() -> None:
    assert "over plain http" in fault_of("rest:http://backup.example/")
    assert "over plain http" in fault_of("s3:http://8.8.8.8/b")


def test_a_row_says_only_what_differs_from_the_platform() -> None:
    row = {"title": "A", "domain": "a.example", "backup": {"keep": {"daily": 14}}}
    school = School.from_row("a-b", row)

    assert school.row == row
    assert school.keep.over(DEFAULT_KEEP) == Keep(last=3, daily=14, weekly=5, monthly=12, yearly=0)
    assert School.from_row("a-b", {**row, "backup": {}}).row == {"title": "A", "domain": "a.example"}


@pytest.mark.parametrize(
    ("backup", "reason"),
    [
        ([], ""),
        ("x", "schools.a-b.backup: must be a mapping of keep"),
        ({"kep": {}}, "schools.a-b.backup.kep: unknown key, did you mean `keep`?"),
        ({"keep": 5}, "schools.a-b.backup.keep: must be a mapping"),
        ({"keep": {"daily": -1}}, "schools.a-b.backup.keep.daily: -1 is no whole number"),
        ({"keep": {"daily": True}}, "schools.a-b.backup.keep.daily: True is no whole number"),
    ],
)
def test_a_wrong_row_is_refused_with_its_place(backup: Any, reason: str) -> None:
    row = {"title": "A", "domain": "a.example", "backup": backup}
    if not reason:
        assert School.from_row("a-b", row).keep == Keep()
        return
    with pytest.raises(DeclarationError) as raised:
        School.from_row("a-b", row)
    assert reason in raised.value.because


def test_what_holds_for_a_school_is_its_rows_word_over_the_platforms() -> None:
    platform = context.platform_context(Platform(backups=read(keep={"daily": 1})))
    facts = context.school_context(
        School("a-b", "A", "a.example", keep=Keep(weekly=0)), platform, templates=CHECKOUT / "templates"
    )

    assert facts["keep"] == {"last": 3, "daily": 1, "weekly": 0, "monthly": 12, "yearly": 0}


def test_a_row_and_a_platform_that_together_keep_nothing_are_refused() -> None:
    only_days = read(keep={"last": 0, "daily": 7, "weekly": 0, "monthly": 0})
    platform = context.platform_context(Platform(backups=only_days))
    school = School("a-b", "A", "a.example", keep=Keep(daily=0))

    with pytest.raises(DeclarationError) as raised:
        context.school_context(school, platform, templates=CHECKOUT / "templates")
    assert "schools.a-b.backup.keep: and platform.yml keep no set at all" in raised.value.because
