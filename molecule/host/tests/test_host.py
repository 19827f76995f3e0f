"""The server is ready: what host_base and docker_engine promise."""

import fnmatch
import json
import re


def test_the_deploy_user_administers_the_server_without_a_password(door, platform):
    answer = door.ssh(platform["deploy_user"], "sudo --non-interactive id --user")

    assert answer.stdout.strip() == "0", answer.stderr


def test_only_the_declared_keys_open_the_deploy_users_account(server, platform):
    authorized = server.file(f"/home/{platform['deploy_user']}/.ssh/authorized_keys")

    assert authorized.content_string.strip().splitlines() == platform["deploy_keys"]
    assert authorized.mode == 0o600


def test_the_deploy_users_home_is_closed_and_a_session_that_it_left_ends(door, server, platform):
    assert server.file(f"/home/{platform['deploy_user']}").mode == 0o750
    assert door.ssh(platform["deploy_user"], "bash -lc 'echo $TMOUT'").stdout.strip() == "1800"


def test_who_has_not_logged_in_reads_whose_the_server_is_and_not_what_runs_on_it(server):
    for path in ("/etc/issue", "/etc/issue.net"):
        said = server.file(path).content_string
        assert "authorised" in said
        assert not re.search(r"Debian|Ubuntu|\\", said), path


def test_an_update_of_what_the_distribution_says_asks_nobody_which_to_keep(server):
    for path in ("/etc/issue", "/etc/issue.net"):
        aside = server.check_output(f"dpkg-divert --truename {path}")
        assert aside == f"{path}.distrib"
        assert "GNU/Linux" in server.file(aside).content_string


def test_which_programs_ran_and_whose_is_written_down_and_the_log_turned_over(server, door, platform):
    def ran(program: str) -> bool:
        door.ssh(platform["deploy_user"], program)
        return server.run(f"lastcomm --strict-match --user {platform['deploy_user']} --command {program}").succeeded

    assert ran("uptime")
    assert "/etc/cron.daily/acct" in server.check_output("run-parts --test /etc/cron.daily").splitlines()
    assert server.service("cron").is_running
    assert server.service("cron").is_enabled
    server.check_output("/etc/cron.daily/acct")
    assert server.file("/var/log/account/pacct.0").exists
    assert ran("uname")


def test_who_upgrades_by_hand_reads_first_what_that_changes(server):
    made = server.run(
        """
        set -e; cd "$(mktemp -d)"
        doc=news/usr/share/doc/schools-news; mkdir -p news/DEBIAN $doc
        for version in 1 2; do
            printf '%s\n' 'Package: schools-news' "Version: $version" 'Architecture: all' 'Description: news' \
                'Maintainer: Somebody <somebody@example.org>' >news/DEBIAN/control
            printf '%s\n' "schools-news ($version) unstable; urgency=low" '' "  Since $version the door is blue." '' \
                ' -- Somebody <somebody@example.org>  Sat, 01 Jan 2022 00:00:00 +0000' | gzip >$doc/NEWS.Debian.gz
            dpkg-deb --build news $version.deb >&2
        done
        dpkg --install 1.deb >&2
        APT_LISTCHANGES_FRONTEND=text apt-get install --yes ./2.deb
        """
    )
    server.run("dpkg --purge schools-news")

    told, _, done = made.stdout.partition("Setting up schools-news (2)")
    assert made.succeeded, made.stderr
    assert "Since 2 the door is blue." in told
    assert done


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
    assert "net.ipv4.ip_forward" not in settings, "Docker needs it"
    in_force = dict(line.split(" = ", 1) for line in server.check_output("sysctl --all").splitlines() if " = " in line)
    for key, value in settings.items():
        # A key with a star is one of each interface.
        found = {in_force[name] for name in fnmatch.filter(in_force, key)}
        assert found == {value}, key


def test_modules_that_no_school_needs_are_never_loaded(server):
    settings = server.check_output("modprobe --showconfig").splitlines()

    assert {f"install {module} /bin/false" for module in ("dccp", "sctp", "rds", "tipc")} <= set(settings)


def test_a_container_leaves_its_kernels_memory_to_the_machine_that_runs_it(server):
    assert "vm." not in server.file("/etc/sysctl.d/60-schools.conf").content_string
    assert not server.file("/swapfile").exists


def test_a_password_that_somebody_sets_after_all_is_no_guessable_one(server, platform):
    """For a provider's console: SSH takes none."""
    user, old, new = platform["deploy_user"], "a-first-Word-of-41-letters", "another-Word-0f-some-letters"

    def changes(words: str) -> bool:
        return server.run(f"printf '%s\\n' {words} | runuser -u {user} -- passwd").succeeded

    server.check_output(f"echo {user}:{old} | chpasswd")
    try:
        assert not changes(f"{old} password1 password1")
        assert changes(f"{old} {new} {new}")
    finally:
        server.check_output(f"usermod --password '*' {user}")


def test_no_programs_memory_is_written_to_the_disk(door, platform):
    assert door.ssh(platform["deploy_user"], "ulimit -H -c").stdout.strip() == "0"
    assert door.ssh(platform["deploy_user"], "sudo sh -c 'ulimit -H -c'").stdout.strip() == "0"


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


def test_an_update_restarts_the_server_at_the_declared_hour_alone(server, platform):
    settings = server.check_output("apt-config dump").splitlines()

    assert platform["reboot_window"]
    assert 'Unattended-Upgrade::Automatic-Reboot "true";' in settings
    assert f'Unattended-Upgrade::Automatic-Reboot-Time "{platform["reboot_window"]}";' in settings


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
    container = server.check_output(f"docker create {platform['images']['nginx']} true").strip()
    try:
        log = json.loads(
            server.check_output(f"docker inspect --format '{{{{json .HostConfig.LogConfig}}}}' {container}")
        )
    finally:
        server.check_output(f"docker rm {container}")

    assert log == {"Type": "json-file", "Config": {"max-file": "3", "max-size": "10m"}}


def test_the_memory_of_a_program_that_ended_badly_is_kept_nowhere(server, door, platform):
    settings = server.check_output("systemd-analyze cat-config systemd/coredump.conf")

    assert "\nStorage=none\n" in settings
    assert door.ssh(platform["deploy_user"], "ulimit", "-Hc").stdout.strip() == "0"


def test_a_program_in_a_container_gains_no_rights(server, platform):
    status = server.check_output(f"docker run --rm {platform['images']['nginx']} cat /proc/self/status")

    assert "\nNoNewPrivs:\t1\n" in status


def test_containers_without_a_network_of_their_own_do_not_see_each_other(server, platform):
    image = platform["images"]["nginx"]
    listen = "use IO::Socket::INET; IO::Socket::INET->new(LocalPort => 8000, Listen => 9)->accept"
    server.check_output(f"docker run --detach --rm --name listener {image} perl -e '{listen}'")
    try:
        address = server.check_output("docker inspect --format '{{.NetworkSettings.IPAddress}}' listener").strip()
        connect = f"timeout 5 bash -c 'exec 3<>/dev/tcp/{address}/8000'"
        assert server.run(f"docker run --rm {image} {connect}").failed
        assert server.run(connect).succeeded
    finally:
        server.run("docker rm --force listener")


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
