"""The pipelines that people copy are valid, run commands that exist, and keep secrets to themselves."""

import os
import re
import shlex
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import typer
import yaml

from schoolctl.app import app
from schoolctl.commands.plan import DRIFT

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "docs" / "examples"
SCHEMAS = {"github-actions.yml": "vendor.github-workflows", "gitlab-ci.yml": "vendor.gitlab-ci"}
GITHUB, GITLAB = (yaml.safe_load((EXAMPLES / name).read_text()) for name in SCHEMAS)
SECRETS = {"SSH_KEY": "the private key\nof two lines", "KNOWN_HOSTS": "host key", "VAULT_PASSWORD": "the password"}


def steps(job: str) -> dict[str, dict[str, Any]]:
    return {step["name"]: step for step in GITHUB["jobs"][job]["steps"]}


def gitlab_jobs() -> dict[str, dict[str, Any]]:
    return {name: job for name, job in GITLAB.items() if isinstance(job, dict) and "script" in job}


def gitlab_script(job: str) -> str:
    """What GitLab runs for a job, as one script."""
    parts = {**GITLAB.get(GITLAB[job].get("extends"), {}), **GITLAB[job]}
    return "\n".join([*parts.get("before_script", []), *parts["script"]])


def scripts() -> Iterator[tuple[str, str]]:
    for job in GITHUB["jobs"]:
        for name, step in steps(job).items():
            yield f"GitHub, {job}: {name}", step["run"]
    for job in gitlab_jobs():
        yield f"GitLab, {job}", gitlab_script(job)


def command_lines() -> Iterator[tuple[str, ...]]:
    """Yield the words of every call of schoolctl."""
    for _, script in scripts():
        for line in script.replace("\\\n", " ").splitlines():
            words = [*shlex.shlex(line, posix=True, punctuation_chars=True)]
            for place, word in enumerate(words):
                if word == "schoolctl" and (place == 0 or set(words[place - 1]) <= set("|&;({!")):
                    rest = words[place + 1 :]
                    end = next((number for number, after in enumerate(rest) if set(after) <= set("|&;()<>")), len(rest))
                    yield tuple(rest[:end])


def bash(script: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script as both forges do, in an empty folder with a home of its own."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", f"umask 022\n{script}"],
        cwd=folder, capture_output=True, text=True, check=False,
        env={"PATH": f"{folder}/bin:{os.environ['PATH']}", "HOME": str(home), **environment},
    )  # fmt: skip


def stand_in(folder: Path, words: str, code: int) -> None:
    """Put a schoolctl on the path that says this and ends so."""
    program = folder / "bin" / "schoolctl"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nprintf '%s' {shlex.quote(words)}\nexit {code}\n")
    program.chmod(0o755)


def modes(home: Path) -> dict[str, str]:
    return {
        path.relative_to(home).as_posix(): oct(stat.S_IMODE(path.stat().st_mode))
        for path in home.rglob("*")
        if path.is_file()
    }


def test_every_example_has_a_schema() -> None:
    assert {path.name for path in EXAMPLES.iterdir()} == set(SCHEMAS)


@pytest.mark.parametrize(("name", "schema"), SCHEMAS.items())
def test_an_example_is_what_its_forge_understands(name: str, schema: str) -> None:
    linter = Path(sys.executable).with_name("check-jsonschema")
    done = subprocess.run(
        [linter, "--builtin-schema", schema, EXAMPLES / name], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("script", dict(scripts()).values(), ids=dict(scripts()).keys())
def test_every_script_is_one_that_bash_can_read(script: str) -> None:
    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("words", sorted(set(command_lines())), ids=" ".join)
def test_every_command_line_is_understood_by_the_program(words: tuple[str, ...]) -> None:
    found: click.Command = typer.main.get_command(app)
    context = found.make_context("schoolctl", list(words))
    while isinstance(found, click.Group):
        name, command, rest = found.resolve_command(context, [*context._protected_args, *context.args])
        assert command is not None
        found, context = command, command.make_context(name, rest, parent=context)


def test_both_pipelines_lint_plan_apply_and_provision() -> None:
    assert {*GITHUB["jobs"]} == {*gitlab_jobs()} == {"lint", "plan", "apply", "provision"}
    assert sorted(set(command_lines())) == [("apply", "--all", "--yes"), ("plan",), ("provision",)]
    assert steps("lint")["Lint"]["run"] == "make lint"
    assert GITLAB["lint"]["script"] == ["make lint"]


def test_jobs_that_share_a_step_share_its_words() -> None:
    known: dict[str, dict[str, Any]] = {}
    for job in GITHUB["jobs"]:
        for name, step in steps(job).items():
            if name != "Take the key away":
                assert known.setdefault(name, step) == step


def test_a_change_runs_on_main_alone_and_never_beside_another() -> None:
    for job, event in (("apply", "push"), ("provision", "workflow_dispatch")):
        assert GITHUB["jobs"][job]["if"].startswith(f"github.event_name == '{event}'")
        assert GITHUB["jobs"][job]["concurrency"] == {"group": "schools-production", "cancel-in-progress": False}
        assert GITLAB[job]["resource_group"] == "production"
        assert [rule["if"] for rule in GITLAB[job]["rules"]] == ["$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH"]
    assert GITHUB["on"]["push"]["branches"] == ["main"]
    assert "github.ref == 'refs/heads/main'" in GITHUB["jobs"]["provision"]["if"]
    assert GITLAB["default"]["interruptible"] is False


def test_no_code_of_others_runs_unpinned_and_no_key_is_taken_on_trust() -> None:
    for name in SCHEMAS:
        text = (EXAMPLES / name).read_text()
        assert re.findall(r"uses: (?!\S+@[0-9a-f]{40}\b).*", text) == []
        assert not re.search(r"ssh-keyscan|StrictHostKeyChecking|set -\w*x|xtrace|pull_request_target", text)
    assert GITHUB["permissions"] == {"contents": "read"}
    assert not {"permissions"} & {key for job in GITHUB["jobs"].values() for key in job}


def test_secrets_reach_only_the_steps_that_lay_them_out() -> None:
    assert "secrets." not in str([step for name, step in steps("lint").items()])
    for job in GITHUB["jobs"]:
        for name, step in steps(job).items():
            assert "${{" not in step["run"], "an expression in a script is put in before the shell quotes anything"
            if not name.startswith("Lay out "):
                assert not re.search(r"secrets\.|" + "|".join(SECRETS), str(step)), (job, name)
    guide = (ROOT / "docs/guides/ci.md").read_text()
    named = set(re.findall(r"secrets\.(\w+)", (EXAMPLES / "github-actions.yml").read_text()))
    assert named == set(SECRETS) == set(re.findall(r"^\| `([A-Z_]+)`", guide, re.MULTILINE))


def test_on_github_secrets_become_files_for_one_pair_of_eyes_and_go_again(tmp_path: Path) -> None:
    variables = tmp_path / "variables"
    runner = {"GITHUB_ENV": str(variables), **SECRETS}
    ssh = tmp_path / "home" / ".ssh"
    ssh.mkdir(parents=True)
    (ssh / "known_hosts").write_text("of another time\n")
    for name, step in steps("provision").items():
        if name.startswith("Lay out "):
            assert step["env"] == {key: f"${{{{ secrets.{key} }}}}" for key in step["env"]}
            done = bash(step["run"], tmp_path, **runner)
            assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (ssh / "id_ed25519").read_text() == SECRETS["SSH_KEY"] + "\n"
    assert (ssh / "known_hosts").read_text() == "host key\n"
    assert set(modes(tmp_path / "home").values()) == {"0o600"}
    assert variables.read_text() == f"ANSIBLE_VAULT_PASSWORD_FILE={tmp_path}/home/.vault-password\n"
    away = steps("provision")["Take the key away"]
    assert away["if"] == "always()"
    bash(away["run"], tmp_path)
    assert modes(tmp_path / "home") == {}


def test_on_github_an_inventory_without_a_vault_needs_no_password(tmp_path: Path) -> None:
    step = steps("provision")["Lay out the password of the vault, if there is one"]
    done = bash(step["run"], tmp_path, GITHUB_ENV=str(tmp_path / "variables"), VAULT_PASSWORD="")
    assert done.returncode == 0
    assert not (tmp_path / "variables").exists()
    assert modes(tmp_path / "home") == {}


@pytest.mark.parametrize("with_vault", [True, False])
def test_on_gitlab_secrets_become_files_for_one_pair_of_eyes_and_go_again(tmp_path: Path, with_vault: bool) -> None:
    given = {}
    for name, text in SECRETS.items():
        (tmp_path / name).write_text(f"{text}\n")
        (tmp_path / name).chmod(0o666)
        given[name] = str(tmp_path / name)
    if not with_vault:
        del given["VAULT_PASSWORD"]
    [layout] = [part for part in GITLAB[".with_key"]["before_script"] if "SSH_KEY" in part]
    done = bash(f'set -u\n{layout}\necho "${{ANSIBLE_VAULT_PASSWORD_FILE:-none}}"', tmp_path, **given)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == (f"{tmp_path}/home/.vault-password" if with_vault else "none")
    assert (tmp_path / "home/.ssh/id_ed25519").read_text() == SECRETS["SSH_KEY"] + "\n"
    assert set(modes(tmp_path / "home").values()) == {"0o600"}
    assert len(modes(tmp_path / "home")) == 2 + with_vault
    bash("\n".join(GITLAB[".with_key"]["after_script"]), tmp_path)
    assert modes(tmp_path / "home") == {}


@pytest.mark.parametrize(
    ("code", "ends", "says"),
    [
        (0, 0, "is as declared"),
        (DRIFT, 0, "differs from what is declared"),
        (4, 4, "exit code 4"),
        (1, 1, "exit code 1"),
    ],
)
def test_on_github_drift_is_shown_and_only_an_error_fails_the_job(
    tmp_path: Path, code: int, ends: int, says: str
) -> None:
    words = "tech-school\n  ~ title: A -> B\n```\n# no heading" if code == DRIFT else ""
    stand_in(tmp_path, words, code)
    done = bash(steps("plan")["Plan"]["run"], tmp_path, GITHUB_STEP_SUMMARY=str(tmp_path / "summary"))
    assert done.returncode == ends
    summary = (tmp_path / "summary").read_text()
    assert says in summary
    assert [line[4:] for line in summary.splitlines() if line.startswith("    ")] == words.splitlines()


@pytest.mark.parametrize("code", [0, DRIFT, 4])
def test_on_gitlab_drift_is_kept_and_is_the_only_warning(tmp_path: Path, code: int) -> None:
    stand_in(tmp_path, "tech-school", code)
    done = bash("\n".join(GITLAB["plan"]["script"]), tmp_path)
    assert (done.returncode, done.stdout) == (code, "tech-school")
    assert GITLAB["plan"]["allow_failure"] == {"exit_codes": DRIFT}
    assert [(tmp_path / name).read_text() for name in GITLAB["plan"]["artifacts"]["paths"]] == ["tech-school"]


def test_on_github_the_commit_is_fetched_and_the_token_is_not_kept(tmp_path: Path) -> None:
    origin, work = tmp_path / "school" / "repository", tmp_path / "work"
    origin.mkdir(parents=True)
    work.mkdir()
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@a.example", "-C", str(origin)]
    subprocess.run([*git, "init", "--quiet"], check=True)
    (origin / "file").write_text("text\n")
    subprocess.run([*git, "add", "file"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--message", "one"], check=True)
    commit = subprocess.check_output([*git, "rev-parse", "HEAD"], text=True).strip()
    step = steps("apply")["Fetch this commit"]
    assert step["env"] == {"TOKEN": "${{ github.token }}"}
    done = bash(
        step["run"], work,
        GITHUB_SERVER_URL=f"file://{tmp_path}", GITHUB_REPOSITORY="school/repository", GITHUB_SHA=commit,
        TOKEN=commit,  # any word will do
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (work / "file").read_text() == "text\n"
    assert "uthorization" not in (work / ".git/config").read_text() + done.stdout + done.stderr
