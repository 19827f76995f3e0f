"""The house is in order: rooms say what they are for, pages are true, and one set of tools serves everybody."""

import importlib.util
import re
import shlex
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from schoolctl import errors
from schoolctl.commands.plan import DRIFT

ROOT = Path(__file__).parents[3]
# What git knows or would take: neither caches nor labs.
FILES = [
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()
    if (ROOT / name).is_file()
]  # fmt: skip
PAGES = [path for path in FILES if path.suffix == ".md"]
ROOMS = sorted({path.relative_to(ROOT).parts[0] for path in FILES if len(path.relative_to(ROOT).parts) > 1} - {".ci"})
README = (ROOT / "README.md").read_text()


def _name(path):
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("room", ROOMS)
def test_every_top_folder_says_in_at_most_15_lines_what_it_is_for(room):
    lines = (ROOT / room / "README.md").read_text().splitlines()

    assert lines[0] == f"# {room}"
    assert 3 < len(lines) <= 15


def test_the_readme_shows_every_top_folder_and_no_other():
    tree = README.partition("## The tree")[2].partition("\n## ")[0]

    assert re.findall(r"^    ([\w.]+)/ ", tree, re.MULTILINE) == sorted(ROOMS, key=tree.index)
    assert {room for room in ROOMS if f"    {room}/" not in tree} == set()


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_link_leads_somewhere(page):
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_guide_and_decision_is_listed():
    for folder, index in (("guides", "README.md"), ("decisions", "decisions/README.md")):
        listed = (ROOT / "docs" / index).read_text()
        for page in (ROOT / "docs" / folder).glob("*.md"):
            assert page.name == "README.md" or f"{page.name})" in listed, page


@pytest.mark.parametrize(("page", "least"), [("reference/isolation.md", 30), ("guides/disaster.md", 5)])
def test_every_test_that_a_page_names_is_there(page, least):
    text = "".join(path.read_text() for path in FILES if path.suffix == ".py")
    named = re.findall(r"`(test_\w+)`", (ROOT / "docs" / page).read_text())

    assert len(named) >= least
    assert [name for name in named if f"def {name}(" not in text] == []


def test_each_section_of_the_guide_to_disasters_names_the_test_that_rehearses_it():
    _, *sections = (ROOT / "docs/guides/disaster.md").read_text().split("\n## ")

    assert len(sections) >= 5
    assert [section.partition("\n")[0] for section in sections if "\nRehearsed by `test_" not in section] == []


@pytest.mark.parametrize("guide", sorted((ROOT / "docs/guides").glob("*.md")), ids=_name)
def test_every_command_that_a_guide_shows_is_there_with_its_options(guide):
    _, *sections = (ROOT / "docs/reference/cli.md").read_text().split("\n## schoolctl")
    known = {section.partition("\n")[0].strip(): set(re.findall(r"--[a-z-]+", section)) for section in sections}
    wrong = []
    for line in re.findall(r"^ {4,}schoolctl ((?:.*\\\n)*.*)$", guide.read_text(), re.MULTILINE):
        words = shlex.split(line.replace("\\\n", " ").replace("...", ""), comments=True)
        own = words[: words.index("--")] if "--" in words else words
        names = [*map(" ".join, pairwise(own)), *own]
        name = next((name for name in names if name in known), "")
        if not name or not {word.partition("=")[0] for word in own if word.startswith("--")} <= known[name] | known[""]:
            wrong.append(line)

    assert wrong == []


def test_the_command_reference_is_what_the_commands_say():
    script = ROOT / "docs" / "reference" / "write_cli.py"
    spec = importlib.util.spec_from_file_location("write_cli", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    assert (ROOT / "docs" / "reference" / "cli.md").read_text() == module.page(), "run `make docs`"


def test_every_command_ends_its_help_with_an_example():
    reference = (ROOT / "docs" / "reference" / "cli.md").read_text()
    sections = reference.split("\n## schoolctl ")[1:]

    assert [section.splitlines()[0] for section in sections if "# for example" not in section] == []


def test_the_guide_to_errors_names_each_exit_code():
    guide = (ROOT / "docs" / "guides" / "troubleshooting.md").read_text()
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", guide, re.MULTILINE)}
    classes = [errors.SchoolctlError, *errors.SchoolctlError.__subclasses__()]

    assert told == {0, DRIFT, 130} | {kind.exit_code for kind in classes if kind.__module__ == errors.__name__}


def test_every_part_of_the_site_runs_alone_by_its_name():
    parts = yaml.safe_load((ROOT / "playbooks" / "site.yml").read_text())
    reference = (ROOT / "docs" / "reference" / "cli.md").read_text()

    for part in parts:
        [tag] = part["tags"]
        assert part["ansible.builtin.import_playbook"] == f"{tag}.yml"
        assert re.search(rf"`--tags TEXT` .*\b{tag}\b", reference)


def test_every_target_of_make_has_a_help_line():
    makefile = (ROOT / "Makefile").read_text()
    phony = set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split())

    assert set(re.findall(r"^([a-z-]+):.*## .+$", makefile, re.MULTILINE)) == phony


def test_commits_are_checked_by_the_pinned_tools_alone():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())

    assert {repository["repo"] for repository in config["repos"]} == {"local"}
    for hook in config["repos"][0]["hooks"]:
        assert hook["language"] == "system"
        assert hook["entry"].startswith(".venv/bin/"), hook["id"]


def test_every_requirement_is_pinned_to_one_version():
    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line.strip()[:1] not in ("#", "")]
    wanted = re.findall(r"^([\w.-]+)", (ROOT / "requirements.in").read_text(), re.MULTILINE)

    assert [line for line in lines if not re.fullmatch(r"[\w.-]+(\[\w+\])?==[\w.]+", line)] == []
    assert {re.sub(r"[._]", "-", name).lower() for name in wanted} <= {line.partition("==")[0] for line in lines}


@pytest.mark.parametrize("fragment", sorted((ROOT / "changelog.d").glob("*.md")), ids=_name)
def test_changelog_fragments_are_named_by_kind_and_have_no_headings(fragment):
    if fragment.name == "README.md":
        return
    assert re.fullmatch(r"[\w-]+\.(added|changed|fixed|removed|security)\.md", fragment.name)
    assert not fragment.read_text().startswith("#")


def test_no_module_collects_what_found_no_other_place():
    banned = re.compile(r"(^|/)(utils?|helpers?|commons?|managers?|misc)(\.py|/)")

    assert [_name(path) for path in FILES if banned.search(_name(path))] == []
