import subprocess
from pathlib import Path

import pytest

from schoolctl.errors import DeclarationError, UnreachableError
from schoolctl.schools import apps
from schoolctl.schools.platform import App
from schoolctl.workflows.lock_apps import commit_of, lock_apps


def git(folder: Path, *argv: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]
    return subprocess.check_output(["git", "-C", str(folder), *identity, *argv], text=True).strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    path = tmp_path / "frappe"
    path.mkdir()
    git(path, "init", "--quiet", "--initial-branch", "version-15")
    git(path, "commit", "--quiet", "--allow-empty", "--message", "first")
    return path


def test_a_branch_is_locked_to_the_commit_that_it_names(repository: Path, tmp_path: Path) -> None:
    lock_file = tmp_path / "inventory" / "apps.lock.yml"
    (locked,) = lock_apps([App("frappe", str(repository), "version-15")], lock_file)
    assert locked.commit == git(repository, "rev-parse", "HEAD")
    assert apps.read_lock(lock_file) == (locked,)


def test_a_tag_of_the_same_name_is_not_taken_for_the_branch(repository: Path) -> None:
    git(repository, "tag", "version-15")
    git(repository, "commit", "--quiet", "--allow-empty", "--message", "second")
    head = git(repository, "rev-parse", "HEAD")
    assert commit_of(App("frappe", str(repository), "version-15")) == head


def test_an_unchanged_lock_is_not_written_again(repository: Path, tmp_path: Path) -> None:
    lock_file = tmp_path / "apps.lock.yml"
    declared = [App("frappe", str(repository), "version-15")]
    lock_apps(declared, lock_file)
    before = lock_file.stat()
    lock_apps(declared, lock_file)
    assert (lock_file.stat().st_mtime_ns, lock_file.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


def test_one_app_that_cannot_be_resolved_leaves_the_old_lock_alone(repository: Path, tmp_path: Path) -> None:
    lock_file = tmp_path / "apps.lock.yml"
    good = App("frappe", str(repository), "version-15")
    lock_apps([good], lock_file)
    before = lock_file.read_text()
    git(repository, "commit", "--quiet", "--allow-empty", "--message", "second")
    with pytest.raises(UnreachableError):
        lock_apps([good, App("erpnext", str(tmp_path / "nowhere"), "version-15")], lock_file)
    assert lock_file.read_text() == before


def test_a_branch_that_is_not_there_is_named(repository: Path) -> None:
    with pytest.raises(DeclarationError) as raised:
        commit_of(App("frappe", str(repository), "version-99"))
    assert "no branch `version-99`" in raised.value.because


def test_a_repository_that_is_not_there_is_reported_with_gits_own_reason(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError) as raised:
        commit_of(App("frappe", str(tmp_path / "nowhere"), "version-15"))
    assert "nowhere" in raised.value.because


def test_a_repository_that_does_not_answer_in_time_is_given_up(repository: Path) -> None:
    with pytest.raises(UnreachableError) as raised:
        commit_of(App("frappe", str(repository), "version-15"), timeout_seconds=0.0001)
    assert "did not answer" in raised.value.because


def test_an_url_that_looks_like_an_option_is_never_read_as_one(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError):
        commit_of(App("frappe", f"--upload-pack=touch {tmp_path}/made", "version-15"))
    assert not (tmp_path / "made").exists()
