"""What each role says about itself is complete: its variables, and the distributions that it serves."""

import re
from pathlib import Path

import pytest
import yaml

ROLES = Path(__file__).parents[3] / "roles"
NAMES = sorted(role.name for role in ROLES.iterdir() if (role / "tasks").is_dir())
UNPREFIXED = {"platform", "schools", "school"}
DISTRIBUTIONS = {"Debian-12", "Debian-13", "Ubuntu-22", "Ubuntu-24"}
RELEASES = {"Debian": {"bookworm", "trixie"}, "Ubuntu": {"jammy", "noble"}}

every_role = pytest.mark.parametrize("role", NAMES)


def _read(path: Path) -> dict:
    return (yaml.safe_load(path.read_text()) or {}) if path.exists() else {}


def _defaults(role: str) -> dict:
    return _read(ROLES / role / "defaults" / "main.yml")


def _options(role: str) -> dict:
    specs = _read(ROLES / role / "meta" / "argument_specs.yml")
    return specs["argument_specs"]["main"].get("options", {})


def _by_distribution(role: str) -> dict[str, dict]:
    files = (ROLES / role / "vars").glob("*-*.yml")
    return {file.stem: _read(file) for file in files}


@every_role
def test_every_default_is_explained(role):
    assert set(_defaults(role)) <= set(_options(role))


@every_role
def test_everything_explained_has_a_default_or_must_be_given(role):
    required = {name for name, option in _options(role).items() if option.get("required")}

    assert set(_options(role)) - required == set(_defaults(role))


@every_role
def test_every_explanation_gives_a_type_and_a_sentence(role):
    for name, option in _options(role).items():
        assert option.get("type"), name
        assert re.match(r"[A-Za-z].*[.]$", str(option.get("description", "")), re.DOTALL), name


@every_role
def test_public_variables_carry_the_roles_name(role):
    assert {name for name in _options(role) if not name.startswith(f"{role}_")} <= UNPREFIXED


@every_role
def test_variables_that_nobody_sets_are_private(role):
    for file in (ROLES / role / "vars").glob("*.yml"):
        assert all(name.startswith(f"__{role}_") for name in _read(file)), file


@every_role
def test_a_default_is_of_the_type_that_its_explanation_gives(role):
    types = {"str": str, "path": str, "int": int, "bool": bool, "list": list, "dict": dict}

    for name, value in _defaults(role).items():
        templated = isinstance(value, str) and "{{" in value
        assert templated or isinstance(value, types[_options(role)[name]["type"]]), name


@every_role
def test_the_role_names_the_distributions_that_it_serves(role):
    platforms = _read(ROLES / role / "meta" / "main.yml")["galaxy_info"]["platforms"]

    assert {platform["name"]: set(platform["versions"]) for platform in platforms} == RELEASES


@every_role
def test_what_differs_between_distributions_is_said_for_each_of_them(role):
    files = _by_distribution(role)

    assert set(files) in (set(), DISTRIBUTIONS)
    assert len({frozenset(data) for data in files.values()}) <= 1, "the files must have the same keys"


@every_role
def test_a_value_has_the_same_shape_on_every_distribution(role):
    for name in next(iter(_by_distribution(role).values()), {}):
        assert len({_shape(data[name]) for data in _by_distribution(role).values()}) == 1, name


@every_role
def test_tasks_do_not_choose_by_distribution(role):
    for file in (ROLES / role / "tasks").rglob("*.yml"):
        text = file.read_text()
        assert not re.search(r"when:.*(distribution|os_family)", text), file


@every_role
def test_the_role_has_a_short_readme(role):
    readme = (ROLES / role / "README.md").read_text()

    assert readme.startswith(f"# {role}\n")
    assert len(readme.splitlines()) <= 25


def test_playbooks_hand_roles_only_variables_that_they_know():
    for file in (ROLES.parent / "playbooks").glob("*.yml"):
        for play in yaml.safe_load(file.read_text()):
            for role in play.get("roles", []):
                if isinstance(role, dict):
                    name = role.get("role", role.get("name"))
                    given = {*role, *role.get("vars", {})} - {"role", "name", "vars", "tags", "when", "become"}
                    assert given <= set(_options(name)), f"{file.name}: {name}"


def test_ubuntu_gets_packages_that_exist_there():
    """The lab runs Debian only; these names are what an Ubuntu server would be asked for."""
    for release, suite in (("Ubuntu-22", "jammy"), ("Ubuntu-24", "noble")):
        docker = _by_distribution("docker_engine")[release]

        assert docker["__docker_engine_repository"] == "https://download.docker.com/linux/ubuntu"
        assert docker["__docker_engine_suite"] == suite
        assert "docker-compose-plugin" in docker["__docker_engine_package_sets"]["official"]
        assert "docker-compose-v2" in docker["__docker_engine_package_sets"]["distribution"]
        assert docker["__docker_engine_compose_lender"] == ""


def test_security_updates_come_from_the_distributions_own_security_archive():
    for release, settings in _by_distribution("host_base").items():
        origins = settings["__host_base_security_origins"]

        assert origins
        assert all("security" in origin for origin in origins), release
        assert all(f"origin={release.split('-')[0]}" in origin for origin in origins), release


def _shape(value: object) -> object:
    if isinstance(value, dict):
        return frozenset((key, _shape(item)) for key, item in value.items())
    return type(value)
