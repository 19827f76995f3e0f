import shutil
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from schoolctl.errors import DeclarationError
from schoolctl.schools import apps
from schoolctl.schools.apps import LockedApp, Minimum
from schoolctl.schools.platform import App

PROJECT = Path(__file__).resolve().parents[3]
FRAPPE = LockedApp("frappe", "https://github.com/frappe/frappe", "version-15", "a" * 40)
ERPNEXT = LockedApp("erpnext", "https://github.com/frappe/erpnext", "version-15", "b" * 40)

names = st.from_regex(apps.NAME, fullmatch=True)
words = st.from_regex(r"[A-Za-z0-9/:.@_][A-Za-z0-9/:.@_-]{0,40}", fullmatch=True)
commits = st.text("0123456789abcdef", min_size=40, max_size=40)
locks = st.lists(st.builds(LockedApp, names, words, words, commits), min_size=1, unique_by=lambda app: app.name)
versions = st.lists(st.integers(0, 999), min_size=1, max_size=4)


@given(locks)
def test_a_lock_reads_back_as_it_was_written_in_the_same_order(lock: list[LockedApp]) -> None:
    document = yaml.safe_load(apps.format_lock(lock))
    assert apps.parse_lock(document["apps"], "apps.lock.yml") == tuple(lock)


@pytest.mark.parametrize(
    ("row", "place"),
    [
        ({"url": "u", "branch": "b"}, "apps.frappe.commit"),
        ({"url": "u", "branch": "b", "commit": "abc123"}, "abc123"),
        ({"url": "u", "branch": "b", "commit": "A" * 40}, "no full commit id"),
        ({"url": "--upload-pack=touch /tmp/x", "branch": "b", "commit": "a" * 40}, "apps.frappe.url"),
        ({"url": "u", "branch": "-b", "commit": "a" * 40}, "apps.frappe.branch"),
        ({"url": "u", "branch": "b\n", "commit": "a" * 40}, "apps.frappe.branch"),
        ({"url": "u", "brunch": "b", "commit": "a" * 40}, "did you mean `branch`?"),
        ("a" * 40, "must be a mapping"),
    ],
)
def test_a_lock_with_a_fault_is_refused_with_its_place(row: object, place: str) -> None:
    with pytest.raises(DeclarationError, match=r"apps\.lock\.yml") as raised:
        apps.parse_lock({"frappe": row}, "apps.lock.yml")
    assert place in raised.value.because


@pytest.mark.parametrize("name", ["../x", "Frappe", "-x", "frappe app", "", "a" * 51])
def test_an_app_whose_name_is_no_folder_name_is_refused(name: str) -> None:
    with pytest.raises(DeclarationError):
        apps.parse_lock({name: {"url": "u", "branch": "b", "commit": "a" * 40}}, "apps.lock.yml")


def test_a_lock_without_apps_says_how_to_make_one() -> None:
    with pytest.raises(DeclarationError) as raised:
        apps.parse_lock({}, "apps.lock.yml")
    assert "schoolctl lock" in raised.value.hint


def test_a_lock_made_for_other_apps_is_refused() -> None:
    declared = [App(FRAPPE.name, FRAPPE.url, FRAPPE.branch), App(ERPNEXT.name, ERPNEXT.url, "version-16")]
    with pytest.raises(DeclarationError) as raised:
        apps.require_match([FRAPPE, ERPNEXT], declared)
    assert "`erpnext`" in raised.value.because


def test_a_lock_made_for_these_apps_is_accepted() -> None:
    apps.require_match([FRAPPE, ERPNEXT], [App(app.name, app.url, app.branch) for app in (FRAPPE, ERPNEXT)])


@pytest.fixture
def trees(tmp_path: Path) -> tuple[Path, Path]:
    for tree in ("lms_app", "image"):
        (tmp_path / tree / "inner").mkdir(parents=True)
        (tmp_path / tree / "inner" / "file.txt").write_text(tree)
        (tmp_path / tree / "program").write_text("#!/bin/sh\n")
    return tmp_path / "lms_app", tmp_path / "image"


def tag_of(trees: tuple[Path, Path], **changes: object) -> str:
    inputs: dict[str, object] = {"release": "version-15", "debian_image": "debian:bookworm-slim", **changes}
    lock = inputs.pop("lock", [FRAPPE, ERPNEXT])
    return apps.image_tag(lock, lms_app_dir=trees[0], image_dir=trees[1], **inputs)  # type: ignore[arg-type]


def test_a_tag_names_its_release_line_and_is_a_valid_image_tag(trees: tuple[Path, Path]) -> None:
    assert tag_of(trees).startswith("version-15-")
    assert len(tag_of(trees)) == len("version-15-") + 12


def test_equal_content_gives_equal_tags_wherever_it_lies(trees: tuple[Path, Path], tmp_path: Path) -> None:
    elsewhere = (tmp_path / "moved" / "a", tmp_path / "moved" / "b")
    for source, target in zip(trees, elsewhere, strict=True):
        shutil.copytree(source, target)
    assert tag_of(trees) == tag_of(elsewhere)


def test_caches_and_version_control_do_not_change_the_tag(trees: tuple[Path, Path]) -> None:
    before = tag_of(trees)
    for litter in ("__pycache__/a.pyc", "inner/b.pyc", ".git/HEAD", "app.egg-info/PKG-INFO", "tests-report/r.xml"):
        path = trees[0] / litter
        path.parent.mkdir(exist_ok=True)
        path.write_text("litter")
    assert tag_of(trees) == before


def test_an_app_that_is_lent_changes_the_tag_by_what_it_needs_alone(trees: tuple[Path, Path]) -> None:
    (trees[0] / "pyproject.toml").write_text("dependencies = []")
    before = tag_of(trees, lms_app_is_lent=True)
    assert before != tag_of(trees)

    (trees[0] / "inner" / "file.txt").write_text("saved a moment ago")
    assert tag_of(trees, lms_app_is_lent=True) == before
    (trees[0] / "pyproject.toml").write_text("dependencies = ['nh3']")
    assert tag_of(trees, lms_app_is_lent=True) != before
    (trees[1] / "program").write_text("another recipe")
    assert tag_of(trees, lms_app_is_lent=True) != before


def test_whatever_can_change_the_image_changes_the_tag(trees: tuple[Path, Path], tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_text("certificate")
    tags = [
        tag_of(trees),
        tag_of(trees, release="version-16"),
        tag_of(trees, debian_image="debian:trixie-slim"),
        tag_of(trees, extra_ca_file=authority),
        tag_of(trees, lock=[ERPNEXT, FRAPPE]),
        tag_of(trees, lock=[FRAPPE, LockedApp("erpnext", ERPNEXT.url, ERPNEXT.branch, "c" * 40)]),
    ]
    (trees[0] / "inner" / "file.txt").write_text("changed")
    tags.append(tag_of(trees))
    (trees[1] / "program").chmod(0o755)
    tags.append(tag_of(trees))
    (trees[1] / "inner" / "file.txt").rename(trees[1] / "inner" / "renamed.txt")
    tags.append(tag_of(trees))
    (trees[0] / "link").symlink_to("program")
    tags.append(tag_of(trees))
    assert len(set(tags)) == len(tags)


def test_moving_text_from_a_name_into_its_content_changes_the_tag(tmp_path: Path) -> None:
    first, second, image = tmp_path / "1", tmp_path / "2", tmp_path / "image"
    for folder in (first, second, image):
        folder.mkdir()
    (first / "ab").write_text("c")
    (second / "a").write_text("bc")
    assert tag_of((first, image)) != tag_of((second, image))


MINIMUMS = {"frappe": Minimum("15.121.0", "code execution", "https://advisories.example")}


def test_an_old_version_is_refused_with_the_reason_and_the_words_that_accept_it() -> None:
    (refusal,) = apps.check_versions({"frappe": "15.55.1", "lms_app": "0.1.0"}, MINIMUMS, {})
    assert "frappe 15.55.1 is older than 15.121.0: code execution" in refusal
    assert 'accept_vulnerable_versions: { frappe: "15.55.1" }' in refusal


def test_only_the_very_version_that_is_named_is_accepted() -> None:
    assert apps.check_versions({"frappe": "15.55.1"}, MINIMUMS, {"frappe": "15.55.1"}) == []
    assert apps.check_versions({"frappe": "15.55.0"}, MINIMUMS, {"frappe": "15.55.1"}) != []
    assert apps.check_versions({"frappe": "15.55.1"}, MINIMUMS, {"erpnext": "15.55.1"}) != []


@pytest.mark.parametrize("version", ["15.121.0", "15.121.1", "15.122", "16.0.0", "v15.121.0"])
def test_a_version_as_new_as_the_minimum_is_let_through(version: str) -> None:
    assert apps.check_versions({"frappe": version}, MINIMUMS, {}) == []


@pytest.mark.parametrize("version", ["15.120.9", "15.9.0", "14.999.0", "15", "15.121.0-beta.1", "", "unknown"])
def test_a_version_that_is_older_or_cannot_be_read_is_refused(version: str) -> None:
    assert apps.check_versions({"frappe": version}, MINIMUMS, {}) != []


@given(versions, versions)
def test_of_two_versions_at_most_one_is_older_and_none_is_older_than_itself(one: list[int], other: list[int]) -> None:
    left, right = ".".join(map(str, one)), ".".join(map(str, other))
    assert not apps.is_older(left, left)
    assert not (apps.is_older(left, right) and apps.is_older(right, left))
    assert apps.is_older(left, right) == (tuple(_padded(one)) < tuple(_padded(other)))


def _padded(numbers: list[int]) -> list[int]:
    return numbers + [0] * (4 - len(numbers))


def test_the_shipped_minimums_are_dated_and_explained_for_every_release_line_with_a_toolchain() -> None:
    image_dir = PROJECT / "templates" / "image"
    document = yaml.safe_load((image_dir / "minimum_versions.yml").read_text())
    toolchains = yaml.safe_load((image_dir / "toolchains.yml").read_text())
    assert document["checked"].year >= 2026
    assert set(document["releases"]) == set(toolchains)
    for release in toolchains:
        minimums = apps.read_minimums(image_dir / "minimum_versions.yml", release)
        assert {"frappe", "erpnext"} <= set(minimums)
        for minimum in minimums.values():
            assert minimum.version is None or apps.VERSION.fullmatch(minimum.version)
            assert minimum.reason
            assert minimum.source.startswith("https://")


def test_the_tested_line_refuses_what_the_advisories_name() -> None:
    minimums = apps.read_minimums(PROJECT / "templates" / "image" / "minimum_versions.yml", "version-15")
    assert len(apps.check_versions({"frappe": "15.55.1", "erpnext": "15.65.1"}, minimums, {})) == 2
    assert apps.check_versions({"frappe": "15.121.0", "erpnext": "15.106.0"}, minimums, {}) == []


def test_each_version_of_a_line_that_nobody_held_against_the_advisories_is_refused_unless_it_is_accepted() -> None:
    minimums = apps.read_minimums(PROJECT / "templates" / "image" / "minimum_versions.yml", "version-16")
    found = {"frappe": "16.999.0", "erpnext": "16.1.0", "lms_app": "1.0.0", "hrms": "16.0.0"}
    refusals = apps.check_versions(found, minimums, {"erpnext": "16.1.0", "frappe": "16.1.0"})
    assert len(refusals) == 1
    assert "frappe 16.999.0 may have known holes: no version of version-16 has been held against" in refusals[0]
    assert 'accept_vulnerable_versions: { frappe: "16.999.0" }' in refusals[0]
    assert apps.check_versions(found, minimums, {"erpnext": "16.1.0", "frappe": "16.999.0"}) == []


def test_a_release_line_that_is_not_listed_is_refused_by_name() -> None:
    with pytest.raises(DeclarationError) as raised:
        apps.read_minimums(PROJECT / "templates" / "image" / "minimum_versions.yml", "version-13")
    assert "version-15, version-16" in raised.value.because
