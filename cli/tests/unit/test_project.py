from pathlib import Path

import pytest

from schoolctl.errors import DeclarationError
from schoolctl.schools import hosts, project
from tests.support.project import copy_project


def inventory(root: Path, name: str) -> None:
    folder = root / "inventories" / name
    folder.mkdir(parents=True)
    (folder / "hosts.yml").write_text("all: {hosts: {vps1: {}}}\n")


def test_the_only_inventory_beside_the_example_is_chosen(project_of_its_own: Path) -> None:
    inventory(project_of_its_own, "example")
    assert project.choose(project_of_its_own, None).env == "test"


def test_an_option_goes_before_the_environment_and_that_before_the_only_one(
    project_of_its_own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("lab", "production"):
        inventory(project_of_its_own, name)
    monkeypatch.setenv("SCHOOLCTL_ENV", "lab")
    assert project.choose(project_of_its_own, None).env == "lab"
    assert project.choose(project_of_its_own, "production").env == "production"


def test_several_inventories_have_to_be_told_apart(project_of_its_own: Path) -> None:
    inventory(project_of_its_own, "lab")
    with pytest.raises(DeclarationError, match="inventories/ holds lab, test"):
        project.choose(project_of_its_own, None)


@pytest.mark.parametrize("name", ["nope", "../inventories/test", "/etc", "", "."])
def test_an_unknown_inventory_lists_the_known_ones(project_of_its_own: Path, name: str) -> None:
    inventory(project_of_its_own, "lab")
    with pytest.raises(DeclarationError, match="holds lab, test"):
        project.choose(project_of_its_own, name)


def test_the_project_is_found_from_any_folder_in_it(project_of_its_own: Path) -> None:
    deep = project_of_its_own / "inventories" / "test" / "group_vars"
    assert project.find_root(deep) == project_of_its_own


def test_a_named_project_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHOOLCTL_PROJECT", str(tmp_path))
    with pytest.raises(DeclarationError, match="holds inventories/ and playbooks/"):
        project.find_root(tmp_path)


@pytest.fixture
def project_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("SCHOOLCTL_ENV", "SCHOOLCTL_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    return copy_project(tmp_path)


# --- hosts.yml ---------------------------------------------------------------------------------------------------


def read(tmp_path: Path, text: str) -> hosts.Host:
    (tmp_path / "hosts.yml").write_text(text)
    return hosts.load(tmp_path / "hosts.yml", tmp_path)


def test_the_server_is_read_with_its_relative_paths(tmp_path: Path) -> None:
    host = read(
        tmp_path,
        "all:\n  hosts:\n    vps1:\n      ansible_host: 203.0.113.10\n      ansible_port: 2222\n"
        "      ansible_user: deploy\n      ansible_ssh_private_key_file: .lab/key\n"
        "  vars:\n    known_hosts_file: .lab/known_hosts\n",
    )
    assert (host.name, host.address, host.port, host.user) == ("vps1", "203.0.113.10", 2222, "deploy")
    assert host.key_file == tmp_path / ".lab/key"
    assert host.known_hosts == tmp_path / ".lab/known_hosts"


def test_what_is_left_out_is_left_to_ssh(tmp_path: Path) -> None:
    host = read(tmp_path, "all: {hosts: {vps1.example.org: }}\n")
    assert host == hosts.Host("vps1.example.org", "vps1.example.org", None, None, None, None)


def test_a_hosts_own_setting_goes_before_the_shared_one(tmp_path: Path) -> None:
    assert read(tmp_path, "all: {vars: {ansible_user: a}, hosts: {v: {ansible_user: b}}}\n").user == "b"


def test_a_server_in_a_group_is_found(tmp_path: Path) -> None:
    assert read(tmp_path, "all: {children: {web: {hosts: {v: {}}}}}\n").name == "v"


@pytest.mark.parametrize(
    "text",
    [
        "all: {hosts: {a: {}, b: {}}}\n",
        "all: {}\n",
        "all: {hosts: [a]}\n",
        "all: {hosts: {a: [1]}}\n",
        "all: {hosts: {a: {}}, vars: [1]}\n",
        "all: {hosts: {a: {ansible_port: '22'}}}\n",
        "all: {hosts: {a: {ansible_port: true}}}\n",
        "all: {hosts: {a: {ansible_host: -oProxyCommand=id}}}\n",
        "all: {hosts: {a: {ansible_host: '{{ address }}'}}}\n",
        "{",
    ],
)
def test_a_wrong_file_is_a_wrong_declaration_and_no_traceback(tmp_path: Path, text: str) -> None:
    with pytest.raises(DeclarationError, match=r"hosts\.yml"):
        read(tmp_path, text)
