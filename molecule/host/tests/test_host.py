"""The server is ready: what host_base and docker_engine promise."""

import json


def test_the_deploy_user_administers_the_server_without_a_password(door, platform):
    answer = door.ssh(platform["deploy_user"], "sudo --non-interactive id --user")

    assert answer.stdout.strip() == "0", answer.stderr


def test_only_the_declared_keys_open_the_deploy_users_account(server, platform):
    authorized = server.file(f"/home/{platform['deploy_user']}/.ssh/authorized_keys")

    assert authorized.content_string.strip().splitlines() == platform["deploy_keys"]
    assert authorized.mode == 0o600


def test_the_benchs_files_have_an_owner_who_cannot_log_in(server):
    frappe = server.user("frappe")

    assert (frappe.uid, frappe.gid, frappe.shell) == (11000, 11000, "/usr/sbin/nologin")


def test_the_clock_shows_the_declared_time_zone(server, platform):
    assert server.file("/etc/localtime").linked_to == f"/usr/share/zoneinfo/{platform['timezone']}"


def test_the_clock_will_be_kept_right(server):
    assert server.service("systemd-timesyncd").is_enabled or server.file("/.dockerenv").exists


def test_kernel_settings_of_the_server_are_in_force(server):
    declared = server.file("/etc/sysctl.d/60-schools.conf").content_string.splitlines()
    settings = dict(line.split(" = ") for line in declared if not line.startswith("#"))

    assert "net.core.somaxconn" in settings
    assert {key: str(server.sysctl(key)) for key in settings} == settings


def test_a_container_leaves_its_kernels_memory_to_the_machine_that_runs_it(server):
    assert "vm." not in server.file("/etc/sysctl.d/60-schools.conf").content_string
    assert not server.file("/swapfile").exists


def test_the_journal_is_bounded(server):
    effective = server.check_output("systemd-analyze cat-config systemd/journald.conf")

    assert "\nSystemMaxUse=500M" in effective


def test_security_updates_are_installed_every_day(server):
    settings = server.check_output("apt-config dump")

    assert 'APT::Periodic::Unattended-Upgrade "1";' in settings
    assert 'APT::Periodic::Update-Package-Lists "1";' in settings
    assert server.service("apt-daily-upgrade.timer").is_running
    assert server.service("apt-daily-upgrade.timer").is_enabled


def test_security_updates_come_from_the_distributions_security_archive_alone(server):
    origins = [
        line
        for line in server.check_output("apt-config dump").splitlines()
        if line.startswith(("Unattended-Upgrade::Origins-Pattern::", "Unattended-Upgrade::Allowed-Origins::"))
    ]

    assert origins
    assert all("security" in origin.lower() for origin in origins)


def test_the_server_trusts_the_declared_authorities_and_no_others_of_ours(server, extra_ca):
    ours = server.file("/usr/local/share/ca-certificates/schools-extra-ca.crt")

    assert ours.exists == bool(extra_ca)
    assert extra_ca.strip() in server.file("/etc/ssl/certs/ca-certificates.crt").content_string


def test_settings_of_the_engine_are_in_force(server):
    info = json.loads(server.check_output("docker info --format '{{json .}}'"))

    assert info["LoggingDriver"] == "json-file"
    assert info["LiveRestoreEnabled"] is True
    assert server.service("docker").is_enabled


def test_a_containers_log_cannot_fill_the_disk(server, platform):
    container = server.check_output(f"docker create {platform['images']['debian']} true").strip()
    try:
        log = json.loads(
            server.check_output(f"docker inspect --format '{{{{json .HostConfig.LogConfig}}}}' {container}")
        )
    finally:
        server.check_output(f"docker rm {container}")

    assert log == {"Type": "json-file", "Config": {"max-file": "3", "max-size": "10m"}}


def test_a_program_in_a_container_gains_no_rights(server, platform):
    status = server.check_output(f"docker run --rm {platform['images']['debian']} cat /proc/self/status")

    assert "\nNoNewPrivs:\t1\n" in status


def test_compose_is_of_the_second_generation(server):
    assert server.check_output("docker compose version --short").lstrip("v").startswith("2.")
    assert server.run("docker buildx version").succeeded


def test_only_compose_and_buildx_are_borrowed_from_another_release(server, platform):
    release = platform["compose_packages_from"]
    listed = server.check_output("apt list --installed 2>/dev/null")

    strangers = {line.split("/")[0] for line in listed.splitlines() if f"/{release}" in line}
    assert strangers <= {"docker-compose", "docker-buildx"}


def test_declared_archives_are_loaded(server, platform):
    images = server.check_output("docker image ls --format '{{.Repository}}:{{.Tag}}'").splitlines()

    assert {archive["name"] for archive in platform["image_archives"]} <= set(images)
