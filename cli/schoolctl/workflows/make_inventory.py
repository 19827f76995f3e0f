"""Make a first inventory: the example with the answers of its owner, checked as a whole, then put in its place."""

import re
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from schoolctl.errors import CommandUsageError, DeclarationError, RefusedError
from schoolctl.schools import checks, project, row_text, vault
from schoolctl.schools.checks import InvalidValueError
from schoolctl.schools.hosts import Host, address_of
from schoolctl.schools.platform import Platform
from schoolctl.schools.project import Project
from schoolctl.workflows.declare_school import declare_school, locale_of
from schoolctl.workflows.questions import Answers, Question, head_and_place
from schoolctl.workflows.step import Progress, Step, run_steps

EXAMPLE = "example"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,29}")
_NOT_OWN = re.compile(r"example|lab|lab-.*|molecule-.*")
_PUBLIC_KEY = re.compile(r"((?:sk-)?(?:ssh|ecdsa)-[a-z0-9-]+(?:@openssh\.com)?) ([A-Za-z0-9+/]+={0,2})( .*)?")
_KEY_FILES = ("id_ed25519.pub", "id_ecdsa.pub", "id_rsa.pub")


def questions(root: Path) -> tuple[Question, ...]:
    """Return everything that is asked, in order; what the example says holds by default."""
    example = _example(root)
    platform = example.platform
    own_key = next((path for name in _KEY_FILES if (path := Path.home() / ".ssh" / name).exists()), None)
    return (
        Question("address", "The server's name or address", address_of, needed=True),
        Question("port", "Its SSH port", _port, default=str(example.host.port)),
        Question(
            "bootstrap_user",
            "Who may log in there today: root, or a user with sudo",
            partial(_setting, "bootstrap_user"),
            default=platform.bootstrap_user,
        ),
        Question(
            "deploy_key", "File with your public SSH key", public_keys, needed=True, suggestion=str(own_key or "")
        ),
        Question(
            "release", "Release line of Frappe and ERPNext", partial(_setting, "release"), default=platform.release
        ),
        Question("school", "Slug of the first school, its name for ever (empty: none yet)", checks.slug),
        Question("domain", "Its domain", checks.domain, needed=True, of="school"),
        Question("title", "Its title (empty: made from the slug)", checks.title, of="school"),
        *head_and_place(of="school"),
    )


def check_name(root: Path, name: str) -> None:
    """Raise unless an inventory of this name may be made: CommandUsageError for the name, RefusedError if it is there.

    A name is what `--env` takes: a folder, and a word in a shell.
    """
    if not _NAME.fullmatch(name) or _NOT_OWN.fullmatch(name):
        raise CommandUsageError(
            f"`{name}` cannot be an inventory's name",
            because="it has up to 30 of a-z, 0-9 and -, begins with a letter, and is neither the example's nor a lab's",
        )
    place = root / "inventories" / name
    if place.exists() or place.is_symlink():
        raise _is_there(name)


def make_inventory(root: Path, name: str, answers: Answers, progress: Progress, *, dry_run: bool) -> dict[str, Any]:
    """Write the inventory beside its place, load it as every command does, and put it there whole.

    Returns what was made: inventory, server, schools, and the commands that come next.

    Raises DeclarationError for an answer that cannot be, RefusedError if the place was taken meanwhile.
    """
    asked = questions(root)
    given = {question.name: _checked(question, answers) for question in asked}
    place = root / "inventories" / name

    with _draft(root, name) as draft:
        _fill(draft, given)
        # Read anew, by the way that every command reads.
        filled = Project(root, draft.env)
        slugs = list(filled.schools())
        made = {
            "inventory": f"inventories/{name}",
            "server": filled.host.address,
            "schools": slugs,
            "next": _next_commands(name, filled.host, filled.platform, slugs),
        }

        def put() -> None:
            try:
                draft.inventory.rename(place)
            except OSError:
                raise _is_there(name) from None

        run_steps([Step(f"Make inventories/{name}", do=put)], progress, dry_run=dry_run)
    return made


def public_keys(file: str) -> tuple[str, ...]:
    """Return the public keys in a file, one a line; raises InvalidValueError if it holds something else."""
    try:
        text = Path(file).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise InvalidValueError(f"cannot be read: {fault}") from None
    if "PRIVATE KEY" in text:
        raise InvalidValueError("is a private key, which nobody else may see; name the public one, which ends in .pub")
    keys = tuple(line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#"))
    for key in keys:
        match = _PUBLIC_KEY.fullmatch(checks.text(key))
        if not match or not checks.is_key_of(match[1], match[2]):
            raise InvalidValueError(f"holds no public SSH key: `{key[:40]}`")
    if not keys:
        raise InvalidValueError("holds no public SSH key: it is empty")
    return keys


def _setting(name: str, value: str) -> str:
    """Return a value that platform.yml may hold under this name."""
    try:
        Platform.from_mapping({"bench_image": "any", name: value})
    except DeclarationError as fault:
        raise InvalidValueError(f"will not do: {fault.because}") from None
    return value


def _port(value: str) -> int:
    if not value.isascii() or not value.isdigit() or not 1 <= int(value) <= 65535:
        raise InvalidValueError("is not a port number")
    return int(value)


def _checked(question: Question, answers: Answers) -> Any:
    answer = answers.get(question.name) or question.default
    try:
        return question.check(answer) if answer else None
    except InvalidValueError as fault:
        raise checks.wrong(question.option, f"{answer!r} {fault}") from None


def _example(root: Path) -> Project:
    if EXAMPLE not in project.inventories(root):
        raise DeclarationError(
            "Could not make an inventory",
            because=f"inventories/{EXAMPLE}, the pattern of all, is not there",
            hint=f"get it back with `git restore inventories/{EXAMPLE}`",
        )
    return Project(root, EXAMPLE)


def _is_there(name: str) -> RefusedError:
    return RefusedError(
        f"Did not make the inventory `{name}`",
        because=f"inventories/{name} is there already",
        hint="edit its files, or choose another name: schoolctl init NAME",
    )


@contextmanager
def _draft(root: Path, name: str) -> Iterator[Project]:
    """Yield a copy of the example under a name that is no inventory's; it is gone afterwards, unless it was moved."""
    example = _example(root)
    folder = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=root / "inventories"))
    try:
        shutil.copytree(example.inventory, folder, dirs_exist_ok=True)
        yield Project(root, folder.name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _fill(draft: Project, given: Mapping[str, Any]) -> None:
    """Write the answers over what the example says."""
    host = draft.host.name
    _write(
        draft.inventory / "hosts.yml",
        {"all": {"hosts": {host: {"ansible_host": given["address"], "ansible_port": given["port"]}}}},
    )
    # Every app has a branch of its release line's name.
    text = draft.platform_file.read_text(encoding="utf-8")
    draft.platform_file.write_text(text.replace(draft.platform.release, given["release"]), encoding="utf-8")
    _write(
        draft.platform_file,
        {"platform": {"deploy_keys": list(given["deploy_key"]), "bootstrap_user": given["bootstrap_user"]}},
    )
    head, _, _ = draft.schools_file.read_text(encoding="utf-8").partition("\nschools:")
    rows = "" if given["school"] else " {}"
    draft.schools_file.write_text(f"{head}\nschools:{rows}\n", encoding="utf-8")
    if given["school"]:
        locale = locale_of(*(given[part] for part in ("country", "language", "timezone", "currency")))
        declare_school(
            draft.schools_file, given["school"], given["domain"], given["title"], (), given["admin_email"], locale
        )
    vault.make(draft.inventory)


def _next_commands(name: str, host: Host, platform: Platform, slugs: list[str]) -> list[str]:
    port = [] if host.port in {None, 22} else ["-p", str(host.port)]
    opening = f"new-school {slugs[0]}" if slugs else "new-school SLUG --domain DOMAIN"
    return [
        shlex.join(["ssh", *port, f"{platform.bootstrap_user}@{host.address}", "true"]),
        f"schoolctl --env {name} provision",
        f"schoolctl --env {name} {opening}",
    ]


def _write(path: Path, values: Mapping[str, Any]) -> None:
    """Write values over those that a file has under the same keys; all else in it stays, comments too."""
    text = path.read_text(encoding="utf-8")
    before = yaml.safe_load(text)
    path.write_text(row_text.with_values(text, before, _merged(before, values)), encoding="utf-8")


def _merged(before: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    parts = {key: _merged(before[key], value) for key, value in values.items() if isinstance(value, Mapping)}
    return {**before, **values, **parts}
