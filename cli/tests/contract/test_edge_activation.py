"""The server's program that puts the edge's tree in force, with Nginx played: what it refuses, when it looks again."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from jinja2 import Template

PROGRAM = Path(__file__).parents[3] / "roles/edge_nginx/templates/schools-edge-activate.py.j2"


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the program of a server whose edge does not run yet; its folders are of this test."""
    settings = {"edge_nginx_root": tmp_path, "edge_nginx_image": "nginx", "edge_nginx_user": "101:101"}
    module = ModuleType("activation")
    exec(compile(Template(PROGRAM.read_text()).render(settings), PROGRAM.name, "exec"), vars(module))  # noqa: S102
    for folder in ("conf/hosts", "conf/certificates", "conf/tls"):
        (tmp_path / "edge" / folder).mkdir(parents=True)
    (tmp_path / "edge/conf/nginx.conf").write_text("events {}\n")
    monkeypatch.setattr(os, "chown", lambda *_: None)
    monkeypatch.setattr(sys, "argv", ["schools-edge-activate"])
    monkeypatch.setattr(module, "look_at_edge", lambda: None, raising=True)
    return module


def answering(program: ModuleType, monkeypatch: pytest.MonkeyPatch, tests: Callable[[int], int]) -> list[Path]:
    """Let Nginx say of each tree in turn, by its number, with what it would exit; return the trees that it saw."""
    seen: list[Path] = []

    def nginx(tree: Path, *_: str, **__: bool) -> "subprocess.CompletedProcess[str]":
        seen.append(tree)
        code = tests(len(seen))
        return subprocess.CompletedProcess([], code, "", "cannot load certificate" if code else "")

    monkeypatch.setattr(program, "nginx", nginx)
    return seen


def test_a_school_that_another_command_was_writing_meanwhile_is_waited_for(
    program: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def tests(number: int) -> int:
        if number < 3:
            (program.CONF / f"hosts/school-{number}.map").write_text("a.example a;\n")
        return int(number < 3)

    seen = answering(program, monkeypatch, tests)
    program.main()
    assert capsys.readouterr().out == "changed\n"
    assert len(seen) == 3
    assert {path.name for path in (program.LIVE / "hosts").iterdir()} == {"school-1.map", "school-2.map"}


def test_a_tree_that_nobody_changes_is_refused_at_once_and_leaves_nothing(
    program: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = answering(program, monkeypatch, lambda _: 1)
    with pytest.raises(SystemExit, match="cannot load certificate"):
        program.main()
    assert len(seen) == 1
    assert not program.LIVE.exists()
    assert list(program.TREES.iterdir()) == []


@pytest.mark.parametrize(
    ("spoilt", "swapped"), [("new-school", True), ("art-school", True), ("cook-school", True), ("music-school", False)]
)
def test_a_tree_with_which_the_new_school_or_one_of_two_others_gets_no_answer_is_swapped_back(
    program: ModuleType, monkeypatch: pytest.MonkeyPatch, spoilt: str, swapped: bool
) -> None:
    answering(program, monkeypatch, lambda _: 0)
    for slug in ("art-school", "cook-school", "music-school"):
        declare(program, slug)
    program.main()
    before = program.LIVE.readlink()
    declare(program, "new-school")
    edge = program.Running(1, "203.0.113.7")
    monkeypatch.setattr(program, "reload", lambda: edge)
    dead = f"{spoilt}.example"
    monkeypatch.setattr(program, "status", lambda _, __, host, ___: "" if host == dead else "204")
    if swapped:
        with pytest.raises(SystemExit, match=f"{dead} would get no answer; swapped back"):
            program.main()
    else:
        program.main()
    assert (program.LIVE.readlink() == before) is swapped


def declare(program: ModuleType, slug: str) -> None:
    """Write what the tree holds of a school, as far as the program looks at it."""
    for path, text in (
        (f"hosts/{slug}.map", f"/{slug} {slug};\n{slug}.example {slug};\n"),
        (f"schools/{slug}.conf", f"# {slug}\n"),
    ):
        (program.CONF / path).parent.mkdir(exist_ok=True)
        (program.CONF / path).write_text(text)
