"""Ansible and schoolctl write the same bytes from every shared template, to the same places."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from jinja2 import Environment
from jinja2.defaults import DEFAULT_FILTERS
from jinja2.nodes import Filter

from schoolctl.render import context
from schoolctl.render.environment import render
from schoolctl.schools import apps, platform, store

ROOT = Path(__file__).parents[3]
TEMPLATES = ROOT / "templates"
MANIFEST = yaml.safe_load((TEMPLATES / "manifest.yml").read_text())
SECRETS = {"redis_password": "not-a-secret"}

# What a school may be called beside the plain names of the example.
ODD_SCHOOLS = {
    "e2": {"title": "École d'été «Ñandú» & Söhne: 100 % #1", "domain": "xn--cole-9oa.example.org", "aliases": []},
    "many-names": {
        "title": "- yes",
        "domain": "a.example.net",
        "aliases": [f"alias{number}.example.net" for number in range(30)],
        "admin_email": "o'neil+school@example.net",
        "quota": {"file_mb": 5},
        "backup": {"keep": {"daily": 14, "yearly": 2}},
    },
}

# The roles' own way: the registry derives, `template` writes with its facts; only the destination is below a folder.
PLAY = """
- name: Write every shared template
  hosts: all
  gather_facts: false
  roles: [school_registry]
  tasks:
    - name: Write what is the platform's
      ansible.builtin.template:
        src: "{{ templates }}/{{ item.template }}"
        dest: "{{ out }}/{{ item.path | replace('/', '%') }}"
        mode: "{{ item.mode }}"
      loop: "{{ school_registry_platform.files }}"
      vars:
        platform: "{{ school_registry_platform }}"
    - name: Write what is a school's
      ansible.builtin.template:
        src: "{{ templates }}/{{ item.1.template }}"
        dest: "{{ out }}/{{ item.1.path | replace('/', '%') }}"
        mode: "{{ item.1.mode }}"
      loop: "{{ school_registry_schools | subelements('files') }}"
      vars:
        platform: "{{ school_registry_platform }}"
        school: "{{ item.0 }}"
"""


@pytest.fixture(scope="module", params=["", platform.LAB_APP], ids=["server", "developing"])
def inventory(tmp_path_factory, request):
    """An inventory on this machine: the example, locked apps, and schools with odd names; a server's, and a lab's."""
    folder = tmp_path_factory.mktemp("inventory")
    shutil.copytree(ROOT / "inventories" / "example" / "group_vars", folder / "group_vars")
    (folder / "hosts.yml").write_text("all:\n  hosts:\n    here:\n      ansible_connection: local\n")
    rows = folder / "group_vars" / "all" / "schools.yml"
    declared = yaml.safe_load(rows.read_text())["schools"]
    rows.write_text(yaml.safe_dump({"schools": {**declared, **ODD_SCHOOLS}}, allow_unicode=True, sort_keys=False))
    settings = folder / "group_vars" / "all" / "platform.yml"
    settings.write_text(settings.read_text() + f'  lms_app_source: "{request.param}"\n')
    declared = platform.load(settings)
    lock = [apps.LockedApp(app.name, app.url, app.branch, "0" * 40) for app in declared.apps]
    (folder / "apps.lock.yml").write_text(apps.format_lock(lock))
    return folder


@pytest.fixture(scope="module")
def written_by_ansible(inventory, tmp_path_factory):
    """The folder in which Ansible wrote every file; a name is the path on the server with % for /."""
    out = tmp_path_factory.mktemp("ansible")
    play = out / "play.yml"
    play.write_text(PLAY)
    python = sys.executable
    extra = {"ansible_python_interpreter": python, "templates": str(TEMPLATES), "out": str(out), "secrets": SECRETS}
    settings = {"ANSIBLE_PIPELINING": "1", "ANSIBLE_ROLES_PATH": str(ROOT / "roles")}
    done = subprocess.run(
        ["ansible-playbook", "--inventory", inventory / "hosts.yml", "--extra-vars", json.dumps(extra), play],
        cwd=ROOT,
        env=os.environ | settings,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.fixture(scope="module")
def written_by_schoolctl(inventory):
    """Path on the server -> text, for every file."""
    # Asked otherwise than the registry asks.
    memory_mb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
    declared = platform.load(inventory / "group_vars" / "all" / "platform.yml")
    image = context.bench_image(declared, ROOT, inventory / "apps.lock.yml")
    facts = context.server_context(
        declared, templates=TEMPLATES, image=image, memory_mb=memory_mb, cores=os.sysconf("SC_NPROCESSORS_ONLN")
    )
    files = {
        file["path"]: render(TEMPLATES, file["template"], {"platform": facts, "secrets": SECRETS})
        for file in facts["files"]
    }
    # As the commands do it: with what is declared, knowing nothing of the server's size or image.
    plain = context.platform_context(declared)
    for row in store.load(inventory / "group_vars" / "all" / "schools.yml").values():
        school = context.school_context(row, plain, templates=TEMPLATES)
        for file in school["files"]:
            files[file["path"]] = render(TEMPLATES, file["template"], {"platform": plain, "school": school})
    return files


def test_both_write_to_the_same_places(written_by_ansible, written_by_schoolctl):
    found = {path.name.replace("%", "/") for path in written_by_ansible.glob("%*")}

    assert found == set(written_by_schoolctl)


def test_both_write_the_same_bytes(written_by_ansible, written_by_schoolctl):
    for path, text in written_by_schoolctl.items():
        assert (written_by_ansible / path.replace("/", "%")).read_bytes() == text.encode(), path


def test_every_school_has_each_of_its_files(inventory, written_by_schoolctl):
    schools = store.load(inventory / "group_vars" / "all" / "schools.yml")

    assert len(written_by_schoolctl) == len(MANIFEST["platform"]) + len(schools) * len(MANIFEST["school"])
    assert {"tech-school", "cuisine-school"} < set(schools)


@pytest.mark.parametrize("entry", [*MANIFEST["platform"], *MANIFEST["school"]], ids=lambda entry: entry["template"])
def test_no_template_leaves_jinja_behind_or_an_odd_end(entry, written_by_schoolctl, inventory):
    declared = platform.load(inventory / "group_vars" / "all" / "platform.yml")
    suffix = entry["path"].rpartition("}}")[2]
    texts = [
        text
        for path, text in written_by_schoolctl.items()
        if path.startswith(f"{declared.root}/") and path.endswith(suffix)
    ]

    assert texts
    for text in texts:
        assert text.endswith("\n")
        assert not text.endswith("\n\n")
        assert not {"{{", "{%", "{#", "None", "Undefined"} & set(text.split())


def test_every_shared_template_is_in_the_manifest():
    listed = {entry["template"] for section in MANIFEST.values() for entry in section}
    # The image's files are a build context of their own, and a partial is part of another template.
    found = {
        path.relative_to(TEMPLATES).as_posix()
        for path in TEMPLATES.glob("*/*.j2")
        if path.parent.name != "image" and not path.name.startswith("_")
    }

    assert found == listed


def test_no_shared_template_uses_a_filter_that_only_ansible_has():
    own = set(DEFAULT_FILTERS)
    environment = Environment()  # noqa: S701 - parses only
    listed = [TEMPLATES / entry["template"] for section in MANIFEST.values() for entry in section]
    for template in (*listed, *TEMPLATES.glob("*/_*.j2")):
        tree = environment.parse(template.read_text())
        used = {node.name for node in tree.find_all(Filter)}
        assert used <= own, template.name
