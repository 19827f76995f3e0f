"""What the server is told of its backups: settings that its program reads, units that systemd takes."""

import json
import re
import shutil
import subprocess
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
import yaml
from backup import settings as program

from schoolctl.bench import backups, database
from schoolctl.render import context
from schoolctl.render.environment import render
from schoolctl.schools.platform import Platform

PROJECT = Path(__file__).parents[3]
ROLE = PROJECT / "roles" / "backup_schedule"
KIND = b"ssh-ed25519"
HOST_KEY = f"ssh-ed25519 {b64encode(bytes([0, 0, 0, 11]) + KIND + bytes([0, 0, 0, 32]) + bytes(32)).decode()}"
DECLARED = {
    "targets": {
        "offsite": {
            "repository": "sftp://backup@vault.example:2222//srv/schools",
            "host_key": HOST_KEY,
            "append_only": True,
            "upload_kib": 2000,
            "download_kib": 4000,
        },
        "near": {"repository": "sftp:backup@near.example:/srv/schools", "host_key": HOST_KEY},
        "disk": {"repository": "/mnt/disk/schools"},
        "web": {"repository": "rest:https://backup.example/"},
    },
    "keep": {"daily": 14},
    "point_in_time": True,
    "alarm": {"command": ["/usr/local/bin/page-me", "--urgent"], "webhook": True},
}


def _platform(**declared: Any) -> dict[str, Any]:
    apps = [{"name": "frappe", "url": "https://example.org/frappe", "branch": "version-15"}]
    return context.platform_context(Platform.from_mapping({"apps": apps, "backups": declared}))


def _settings(tmp_path: Path, **declared: Any) -> program.Settings:
    path = tmp_path / "backups.json"
    path.write_text(json.dumps(backups.settings(_platform(**declared), ["web"])))
    return program.read(path)


def _role(name: str = "", **declared: Any) -> dict[str, Any]:
    """Return what the role's templates see of a platform, and the job of this name as `file.job`."""
    platform = _platform(**declared)
    text = (ROLE / "vars" / "main.yml").read_text()
    at, wanted = platform["backups"]["at"], platform["backups"]["point_in_time"]
    text = text.replace("{{ backup_schedule_backups.at }}", at)
    text = text.replace('"{{ backup_schedule_backups.point_in_time }}"', str(wanted).lower())
    jobs = {job["name"]: job for job in yaml.safe_load(text)["__backup_schedule_jobs"]}
    return {
        "backup_schedule_root": platform["root"],
        "backup_schedule_backups": platform["backups"],
        "__backup_schedule_place": backups.FOLDER,
        "__backup_schedule_over_ssh": [target for target in platform["backups"]["targets"].values() if target["ssh"]],
        "file": {"job": jobs.get(name)},
        "jobs": jobs,
    }


def test_the_program_reads_what_is_declared(tmp_path: Path) -> None:
    found = _settings(tmp_path, **DECLARED)

    assert list(found.targets) == ["local", "offsite", "near", "disk", "web"]
    offsite = found.target("offsite")
    assert (offsite.append_only, offsite.upload_kib, offsite.download_kib) == (True, 2000, 4000)
    assert offsite.ssh_config == backups.SSH_CONFIG
    assert found.target("web").environment_file == f"{backups.FOLDER}/credentials/web"
    assert found.target("disk").environment_file == ""
    assert found.target("disk").ssh_config == ""
    assert found.keep == {"last": 3, "daily": 14, "weekly": 5, "monthly": 12, "yearly": 0}
    assert found.alarm["command"] == ["/usr/local/bin/page-me", "--urgent"]
    assert found.database["logs"]["folder"] == "/srv/schools/db"


def test_without_a_word_the_program_keeps_sets_on_the_server_and_no_log(tmp_path: Path) -> None:
    found = _settings(tmp_path)

    assert found.target("local").repository == "/srv/schools/backups/repository"
    assert "logs" not in found.database
    assert found.alarm == {"command": [], "webhook_file": ""}


def test_the_program_says_to_the_database_what_schoolctl_says(tmp_path: Path) -> None:
    found = _settings(tmp_path)

    assert tuple(found.database["client"]) == database.CLIENT
    assert found.database["drop"].format("sch0123456789ab") == database.drop("sch0123456789ab").stdin


def test_the_log_has_one_name() -> None:
    assert "log_bin = schools-bin\n" in _cnf(point_in_time=True)
    logs = backups.settings(_platform(point_in_time=True), [])["database"]["logs"]
    assert logs["base"] == "schools-bin"


def test_a_server_that_keeps_no_log_is_not_told_of_one() -> None:
    assert "log_bin" not in _cnf()
    assert "binlog" not in _cnf()


@pytest.mark.skipif(not shutil.which("mariadbd"), reason="MariaDB is not installed (apt install mariadb-server)")
@pytest.mark.parametrize("point_in_time", [True, False])
def test_the_database_server_understands_every_setting(tmp_path: Path, point_in_time: bool) -> None:
    text = _cnf(point_in_time=point_in_time)
    (tmp_path / "schools.cnf").write_text(text)
    argv = ["mariadbd", f"--defaults-file={tmp_path}/schools.cnf", "--help", "--verbose", f"--datadir={tmp_path}"]
    done = subprocess.run([*argv, "--user=root"], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr[-2000:]
    assert "unknown variable" not in done.stderr
    found = dict(re.findall(r"^(log-bin|sync-binlog|binlog-format|secure-timestamp) +(\S+)", done.stdout, re.MULTILINE))
    if point_in_time:
        logged = {"log-bin": "schools-bin", "sync-binlog": "1", "binlog-format": "ROW"}
        # Nobody but the administrator says when something was done.
        assert found == {**logged, "secure-timestamp": "SUPER"}


def test_the_administrators_words_are_in_no_log() -> None:
    """Loads of golden sites, of the pool and of restores, and what makes users with their passwords."""
    assert "--init-command=SET SESSION sql_log_bin = 0" in database.CLIENT
    name = "sch0123456789ab"
    for command in (database.load(name), database.create(name, "x" * 16), database.drop(name)):
        assert command.argv[: len(database.CLIENT)] == database.CLIENT


def test_ssh_trusts_the_declared_keys_alone() -> None:
    known = render(ROLE / "templates", "known_hosts.j2", _role(**DECLARED)).splitlines()[1:]
    config = render(ROLE / "templates", "config.j2", _role(**DECLARED))

    assert known == [f"[vault.example]:2222 {HOST_KEY}", f"near.example {HOST_KEY}"]
    assert "StrictHostKeyChecking yes" in config
    assert f"UserKnownHostsFile {backups.FOLDER}/ssh/known_hosts" in config
    assert "GlobalKnownHostsFile /dev/null" in config


@pytest.mark.skipif(not shutil.which("ssh"), reason="OpenSSH's client is not installed (apt install openssh-client)")
def test_ssh_understands_its_configuration(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text(render(ROLE / "templates", "config.j2", _role(**DECLARED)))
    argv = ["ssh", "-F", file, "-G", "-p", "2222", "backup@vault.example"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)

    assert "batchmode yes" in done.stdout
    assert "stricthostkeychecking true" in done.stdout


def test_each_job_runs_a_verb_of_the_program() -> None:
    usage = (ROLE / "files" / "backup" / "__main__.py").read_text()
    jobs = _role()["jobs"]

    assert {job["verb"] for job in jobs.values()} == set(re.findall(r"schools-backup ([a-z-]+) ", usage)) - {"serve"}
    assert {name for name, job in jobs.items() if not job["wanted"]} == {"schools-backup-logs"}
    assert all(job["wanted"] for job in _role(**DECLARED)["jobs"].values())


@pytest.mark.parametrize("name", sorted(_role()["jobs"]))
def test_a_job_is_made_up_for_and_stays_behind_what_people_wait_for(name: str) -> None:
    service = render(ROLE / "templates", "unit.service.j2", _role(name, **DECLARED))
    timer = render(ROLE / "templates", "unit.timer.j2", _role(name, **DECLARED))

    assert "Persistent=true" in timer
    for limit in ("Nice=15", "IOWeight=20", "CPUWeight=20"):
        assert limit in service


def test_a_job_may_write_where_schools_and_repositories_are_and_nowhere_else() -> None:
    service = render(ROLE / "templates", "unit.service.j2", _role("schools-backups", **DECLARED))

    assert "ProtectSystem=strict" in service
    assert re.findall(r"^ReadWritePaths=(.*)$", service, re.MULTILINE) == [
        "/srv/schools -/var/cache/schools",
        "-/mnt/disk/schools",
    ]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
@pytest.mark.parametrize("name", sorted(_role()["jobs"]))
def test_systemd_takes_every_unit(tmp_path: Path, name: str) -> None:
    for kind in ("service", "timer"):
        text = render(ROLE / "templates", f"unit.{kind}.j2", _role(name, **DECLARED))
        # The program is not on this machine.
        (tmp_path / f"{name}.{kind}").write_text(text.replace("/usr/local/sbin/schools-backup", "/bin/true"))
    units = [str(tmp_path / f"{name}.{kind}") for kind in ("service", "timer")]
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True)

    said = [line for line in done.stderr.splitlines() if str(tmp_path) in line or name in line]
    assert said == []
    when = re.search(r"^OnCalendar=(.*)$", (tmp_path / f"{name}.timer").read_text(), re.MULTILINE)
    assert when
    subprocess.run(["systemd-analyze", "calendar", when[1]], capture_output=True, check=True)


def _cnf(**declared: Any) -> str:
    platform = Platform.from_mapping({"bench_image": "schools/bench:test", "backups": declared})
    facts = context.server_context(
        platform, templates=PROJECT / "templates", image="schools/bench:test", memory_mb=4000, cores=2
    )
    return render(PROJECT / "templates", "mariadb/schools.cnf.j2", {"platform": facts})
