"""What the roles ask a server once: which declared files and folders it lacks or has otherwise."""

import importlib.util
from hashlib import sha1
from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError

PLUGIN = Path(__file__).parents[3] / "roles/school_registry/filter_plugins/stale_files.py"
FILE = {"template": "greeting.j2", "path": "/srv/greeting", "mode": "0640", "owner": "root", "group": "11000"}
FOLDER = {"path": "/srv/greetings", "mode": "0750", "owner": 11000, "group": "frappe"}


@pytest.fixture(scope="module")
def stale_files():
    spec = importlib.util.spec_from_file_location("stale_files", PLUGIN)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def templates(tmp_path):
    (tmp_path / "greeting.j2").write_text("hello {{ school.slug }}\n")
    return str(tmp_path)


def as_found(text="hello tech\n", **different):
    checksum = sha1(text.encode(), usedforsecurity=False).hexdigest()
    names = {"pw_name": "root", "uid": 0, "gr_name": "frappe", "gid": 11000}
    return {"path": "/srv/greeting", "mode": "0640", "isdir": False, "checksum": checksum, **names, **different}


def test_a_file_as_declared_is_left_out(stale_files, templates):
    assert stale_files.schoolctl_stale([FILE], [as_found()], templates=templates, school={"slug": "tech"}) == []


@pytest.mark.parametrize(
    "found",
    [
        [],
        [as_found(text="hello other\n")],
        [as_found(mode="0644")],
        [as_found(pw_name="www-data", uid=33)],
        [as_found(gr_name="root", gid=0)],
        [as_found(path="/srv/elsewhere")],
        [as_found(isdir=True, checksum=None)],
    ],
)
def test_a_file_that_is_missing_or_differs_is_named(stale_files, templates, found):
    assert stale_files.schoolctl_stale([FILE], found, templates=templates, school={"slug": "tech"}) == [FILE]


def test_a_folder_is_compared_without_content(stale_files):
    found = as_found(path="/srv/greetings", mode="0750", isdir=True, pw_name="frappe", uid=11000)

    assert stale_files.schoolctl_stale([FOLDER], [found]) == []
    assert stale_files.schoolctl_stale([FOLDER], [{**found, "isdir": False}]) == [FOLDER]


def test_a_file_that_is_copied_is_compared_with_its_source(stale_files, tmp_path):
    source = tmp_path / "module.py"
    source.write_text("hello tech\n")
    entry = {**{key: value for key, value in FILE.items() if key != "template"}, "file": str(source)}

    assert stale_files.schoolctl_stale([entry], [as_found()]) == []
    source.write_text("hello other\n")
    assert stale_files.schoolctl_stale([entry], [as_found()]) == [entry]


def test_a_template_sees_the_entry_that_it_is_for(stale_files, tmp_path):
    (tmp_path / "unit.j2").write_text("hello {{ file.job }}\n")
    entry = {**FILE, "template": "unit.j2", "job": "tech"}

    assert stale_files.schoolctl_stale([entry], [as_found()], templates=str(tmp_path)) == []
    assert stale_files.schoolctl_stale([{**entry, "job": "x"}], [as_found()], templates=str(tmp_path)) != []


def test_each_school_is_compared_with_its_own_text(stale_files, templates):
    schools = [{"slug": slug, "files": [{**FILE, "path": f"/srv/{slug}"}]} for slug in ("tech", "cuisine")]
    found = [as_found(path="/srv/tech"), as_found(path="/srv/cuisine")]

    (left,) = stale_files.schoolctl_stale_of_schools(schools, found, templates=templates)

    assert (left["path"], left["school"]["slug"]) == ("/srv/cuisine", "cuisine")


def test_a_template_that_misses_a_value_is_an_error_that_names_it(stale_files, templates):
    with pytest.raises(AnsibleFilterError, match=r"greeting\.j2: 'school' is undefined"):
        stale_files.schoolctl_checksums([FILE], templates=templates)
