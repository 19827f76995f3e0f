import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from schoolctl.schools.project import Project, choose
from schoolctl.schools.vault import VARIABLE, Vault
from tests.support.project import CHECKOUT, Run, schoolctl

# Made for this test: nobody holds the other half.
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOfwmICzMxHiHCfKjU/l51fr+2iNaTou37RsKEh5vbBw ann@desk"
SCHOOL = ("--school", "music", "--domain", "music.example")


@pytest.fixture
def checkout(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project as it is cloned: only the example, and a key in the user's home."""
    (project / "inventories/test").rename(project / "inventories/example")
    home = project / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh/id_ed25519.pub").write_text(f"{KEY}\n")
    monkeypatch.setenv("HOME", str(home))
    return project


def init(checkout: Path, *arguments: str, address: str = "203.0.113.9", key: str = "~/.ssh/id_ed25519.pub") -> Run:
    return schoolctl(checkout, None, "init", "--address", address, "--deploy-key", key, *arguments)


def entries(checkout: Path) -> list[str]:
    return sorted(path.name for path in (checkout / "inventories").iterdir())


def words(file: Path) -> list[str]:
    """A file without what is not a matter of words: spaces inside braces."""
    return [line.replace("{ ", "{").replace(" }", "}") for line in file.read_text().splitlines()]


def comments(file: Path) -> list[str]:
    return [line.strip() for line in file.read_text().splitlines() if line.strip().startswith("#")]


def test_by_options_alone_an_inventory_is_made_that_every_command_can_read(checkout: Path) -> None:
    done = init(
        checkout, "production", "--port", "2222", "--bootstrap-user", "admin", "--release", "version-16", *SCHOOL,
        "--title", "L'École #1", "--admin-email", "head@music.example",
        "--country", "France", "--language", "fr", "--timezone", "Europe/Paris", "--currency", "EUR",
    )  # fmt: skip
    assert done.code == 0, done.stderr
    made = choose(checkout, None)
    assert made.env == "production"
    assert (made.host.address, made.host.port, made.host.user) == ("203.0.113.9", 2222, "deploy")
    platform = made.platform
    assert (platform.deploy_keys, platform.bootstrap_user, platform.release) == ((KEY,), "admin", "version-16")
    assert {app.branch for app in platform.apps} == {"version-16"}
    [school] = made.schools().values()
    assert (school.slug, school.title, school.domain) == ("music", "L'École #1", "music.example")
    assert school.admin_email == "head@music.example"
    assert school.locale is not None
    assert school.locale.timezone == "Europe/Paris"


def test_it_ends_with_the_commands_that_come_next(checkout: Path) -> None:
    done = init(checkout, *SCHOOL, "--port", "2222")
    commands = [line.strip() for line in done.stderr.splitlines() if line.startswith("  ") and "Make" not in line]
    assert commands == [
        "ssh -p 2222 root@203.0.113.9 true",
        "schoolctl --env production provision",
        "schoolctl --env production new-school music",
        "schoolctl --env production backup-targets kit | lp",
    ]
    again = init(checkout, "second", "--json")
    assert json.loads(again.stdout)["next"][-1] == "schoolctl --env second new-school SLUG --domain DOMAIN"


def test_what_is_not_asked_stays_as_the_example_says_it_comments_and_all(checkout: Path) -> None:
    init(checkout, "production")
    example, made = Project(checkout, "example"), Project(checkout, "production")
    for file, changed in (
        ("hosts.yml", {"      ansible_host: 203.0.113.9"}),
        ("group_vars/all/platform.yml", {f"    - {KEY}"}),
    ):
        assert set(words(made.inventory / file)) - set(words(example.inventory / file)) == changed
    for file in ("hosts.yml", "group_vars/all/platform.yml", "group_vars/all/schools.yml"):
        assert comments(made.inventory / file) == comments(example.inventory / file)
    assert dict(made.schools()) == {}


def test_it_has_a_vault_with_a_key_for_backups_that_its_own_password_file_opens(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    done = init(checkout, "production")
    vault = Vault.of(checkout / "inventories/production")

    assert vault.path.read_text().startswith("$ANSIBLE_VAULT;")
    key = vault.values()["backup_key"]
    assert key not in done.stdout + done.stderr
    assert vault.password() not in done.stdout + done.stderr


def test_what_is_made_passes_the_linter_of_the_project(checkout: Path) -> None:
    init(checkout, *SCHOOL, "--title", "yes")
    linter = Path(sys.executable).with_name("yamllint")
    done = subprocess.run(
        [linter, "--strict", "--config-file", CHECKOUT / ".yamllint", checkout / "inventories/production"],
        cwd=CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("address", "title"),
    [("1:2:3:4:5:6:7:8", "1:20"), ("2001:db8::1", "yes"), ("0x10", "0o7"), ("my_server", "- a"), ("1e3", "~")],
)
def test_an_answer_that_yaml_reads_otherwise_stays_the_text_that_it_was(
    checkout: Path, address: str, title: str
) -> None:
    assert init(checkout, *SCHOOL, "--title", title, address=address).code == 0
    made = choose(checkout, None)
    text = (made.inventory / "hosts.yml").read_text()
    assert yaml.safe_load(text)["all"]["hosts"]["vps1"]["ansible_host"] == address
    assert (made.host.address, made.schools()["music"].title) == (address, title)


def test_every_key_of_a_file_may_log_in(checkout: Path) -> None:
    keys = checkout / "keys"
    keys.write_text(f"# the two of us\n{KEY}\n\n{KEY.replace('ann', 'bob')}\n")
    assert init(checkout, key=str(keys)).code == 0
    assert choose(checkout, None).platform.deploy_keys == (KEY, KEY.replace("ann", "bob"))


def test_without_a_terminal_missing_options_are_named(checkout: Path) -> None:
    for arguments, missing in (
        ((), ["--address", "--deploy-key"]),
        (("--address", "a.example", "--school", "music"), ["--deploy-key", "--domain"]),
        (("--deploy-key", "x", "--address", "a.example", "--domain", "a.example"), ["--school"]),
        (
            ("--address", "a", "--deploy-key", "x", *SCHOOL, "--country", "France", "--language", "fr"),
            ["--timezone", "--currency"],
        ),
        (("--address", "a", "--deploy-key", "x", *SCHOOL, "--currency", "EUR"), ["--country"]),
    ):  # fmt: skip
        done = schoolctl(checkout, None, "init", *arguments)
        assert done.code == 2, arguments
        assert re.findall(r"--[a-z-]+", done.stderr.split("hint:")[0]) == missing
    assert entries(checkout) == ["example"]


@pytest.mark.parametrize(
    ("arguments", "because"),
    [
        (("--address", "-oProxyCommand=id"), "--address"),
        (("--address", "{{ x }}"), "--address"),
        (("--address", "a b"), "--address"),
        (("--port", "0"), "--port"),
        (("--port", "22x"), "--port"),
        (("--bootstrap-user", "a;id"), "--bootstrap-user"),
        (("--release", "develop"), "--release"),
        (("--deploy-key", "/nowhere"), "--deploy-key"),
        (("--school", "../x", "--domain", "a.example"), "--school"),
        (("--school", "music", "--domain", "a"), "--domain"),
        ((*SCHOOL, "--admin-email", "x"), "--admin-email"),
        ((*SCHOOL, "--title", "{{ x }}"), "--title"),
    ],
)
def test_an_answer_that_cannot_be_leaves_nothing_behind(
    checkout: Path, arguments: tuple[str, ...], because: str
) -> None:
    done = init(checkout, *arguments)
    assert done.code == 3
    assert f"because: {because}: " in done.stderr
    assert entries(checkout) == ["example"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n", "is a private key"),
        ("", "is empty"),
        ("hello\n", "holds no public SSH key"),
        (f"{KEY[:18]}\n", "holds no public SSH key"),
        (KEY.replace("ssh-ed25519", "ssh-rsa") + "\n", "holds no public SSH key"),
        (f"{KEY}\nrestrict,command=id {KEY}\n", "holds no public SSH key"),
    ],
)
def test_only_public_keys_are_taken_and_a_private_one_is_never_repeated(checkout: Path, text: str, words: str) -> None:
    file = checkout / "key"
    file.write_text(text)
    done = init(checkout, key=str(file))
    assert done.code == 3
    assert words in done.stderr
    assert "AAAA\n" not in done.stderr
    assert entries(checkout) == ["example"]


@pytest.mark.parametrize(
    "name", ["../x", "example", "lab", "lab-two", "molecule-x", "Big", "a b", ".hidden", "-x", "a" * 40]
)
def test_a_name_that_cannot_be_is_a_usage_error(checkout: Path, name: str) -> None:
    done = init(checkout, "--", name)
    assert done.code == 2, done.stderr
    assert entries(checkout) == ["example"]


def test_an_inventory_that_is_there_is_never_touched(checkout: Path) -> None:
    init(checkout, *SCHOOL)
    before = {path: path.read_bytes() for path in (checkout / "inventories").rglob("*.yml")}
    for arguments in ((), ("production",), ("--dry-run",)):
        done = init(checkout, *arguments, address="203.0.113.77")
        assert done.code == 5
        assert "inventories/production is there already" in done.stderr
    assert {path: path.read_bytes() for path in (checkout / "inventories").rglob("*.yml")} == before


@pytest.mark.parametrize("kind", ["folder", "file", "broken link"])
def test_whatever_has_the_name_stays(checkout: Path, kind: str) -> None:
    place = checkout / "inventories/production"
    {"folder": place.mkdir, "file": place.touch, "broken link": lambda: place.symlink_to("nowhere")}[kind]()
    assert init(checkout).code == 5
    assert entries(checkout) == ["example", "production"]


def test_a_dry_run_checks_everything_and_writes_nothing(checkout: Path) -> None:
    done = init(checkout, *SCHOOL, "--dry-run", "--json")
    assert done.code == 0, done.stderr
    assert "would do" in done.stderr
    assert json.loads(done.stdout)["schools"] == ["music"]
    assert entries(checkout) == ["example"]
    assert init(checkout, "--dry-run", address="a b").code == 3


def test_the_name_may_stand_before_the_command(checkout: Path) -> None:
    done = schoolctl(
        checkout, None, "--env", "school-server", "init", "--address", "a.example",
        "--deploy-key", "~/.ssh/id_ed25519.pub",
    )  # fmt: skip
    assert done.code == 0, done.stderr
    assert entries(checkout) == ["example", "school-server"]


def test_without_the_example_the_way_to_get_it_back_is_named(checkout: Path) -> None:
    (checkout / "inventories/example/hosts.yml").unlink()
    done = init(checkout)
    assert done.code == 3
    assert "git restore inventories/example" in done.stderr


def test_on_a_terminal_a_person_is_asked_until_each_answer_will_do(checkout: Path) -> None:
    answers = [
        "-x", "203.0.113.9",  # the first is no address
        "", "admin",  # the port stays
        "",  # the key that is in the home
        "",  # the release line stays
        "Music School", "music", "music.example", "", "",
        "France", "fr", "Europe/Nowhere", "Europe/Paris", "EUR",
    ]  # fmt: skip
    terminal, side = pty.openpty()
    os.write(terminal, "".join(f"{answer}\n" for answer in answers).encode())
    process = subprocess.Popen(
        [sys.executable, "-m", "schoolctl", "init"],
        cwd=checkout, stdin=side, stderr=side, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    out, _ = process.communicate(timeout=30)
    os.close(side)
    told = os.read(terminal, 65536).decode()
    os.close(terminal)
    assert process.returncode == 0, told
    assert "'-x' is neither an address nor a name" in told
    assert "'Europe/Nowhere' is no time zone" in told
    assert out.splitlines()[0].split() == ["inventory", "inventories/production"]
    made = choose(checkout, None)
    assert (made.host.address, made.host.port, made.platform.bootstrap_user) == ("203.0.113.9", 22, "admin")
    assert made.platform.deploy_keys == (KEY,)
    assert made.schools()["music"].title == "Music"
