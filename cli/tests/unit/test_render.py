import json
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from schoolctl.render import context
from schoolctl.render.environment import render
from schoolctl.schools.model import School
from schoolctl.schools.platform import App, Edge, Platform, Tls
from tests.support.project import CHECKOUT


def rendered(folder: Path, template: str, **values: object) -> str:
    (folder / "a.j2").write_text(template)
    return render(folder, "a.j2", values)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("a", "a\n"),
        ("a\n\n\n", "a\n"),
        ("{% if true %}\na\n{% endif %}\n", "a\n"),
        ("  {% if true %}\nb\n  {% endif %}\n", "  b\n  \n"),
        ("[{{ nothing }}]", "[]\n"),
        ("{{ '<b>&' }}", "<b>&\n"),
    ],
)
def test_text_ends_in_one_newline_and_is_as_ansible_writes_it(tmp_path: Path, template: str, text: str) -> None:
    assert rendered(tmp_path, template, nothing=None) == text


def test_a_name_that_nobody_gave_is_an_error_and_never_an_empty_text(tmp_path: Path) -> None:
    with pytest.raises(UndefinedError, match="schol"):
        rendered(tmp_path, "{{ schol }}", school={})
    with pytest.raises(UndefinedError, match="domian"):
        rendered(tmp_path, "{{ school.domian }}", school={"domain": "x"})


@pytest.mark.parametrize(
    ("certificates", "own", "ports", "url"),
    [
        ("acme", "", (80, 443), "https://a.example"),
        ("acme", "", (8080, 8443), "https://a.example:8443"),
        ("self-signed", "", (80, 443), "http://a.example"),
        ("self-signed", "", (8080, 8443), "http://a.example:8080"),
        ("self-signed", "own", (8080, 443), "https://a.example"),
    ],
)
def test_an_address_is_https_where_browsers_shall_trust_it_and_names_its_port_unless_it_is_the_usual_one(
    certificates: str, own: str, ports: tuple[int, int], url: str
) -> None:
    edge = Edge(public_http_port=ports[0], public_https_port=ports[1])
    tls = Tls(certificates=certificates)
    platform = context.platform_context(Platform(apps=(App("frappe", "x", "y"),), edge=edge, tls=tls))
    school = School("a-b", "A", "a.example", certificate=own)
    facts = context.school_context(school, platform, templates=CHECKOUT / "templates")
    assert facts["url"] == url
    assert facts["site"] == "a-b"
    assert facts["site_dir"] == "/srv/schools/sites/a-b"


def test_what_templates_see_is_plain_data_with_the_schools_own_paths() -> None:
    platform = context.platform_context(
        Platform(apps=(App("frappe", "x", "y"),), accept_vulnerable_versions={"a": "1"})
    )
    facts = context.school_context(
        School("a-b", "A", "a.example", ("b.example",)), platform, templates=CHECKOUT / "templates"
    )
    assert json.loads(json.dumps({"platform": platform, "school": facts}))["school"] == facts
    assert facts["hosts"] == ["a.example", "b.example"]
    for file in facts["files"]:
        assert file["path"].startswith(("/srv/schools/edge/conf/", "/srv/schools/backups/declared/"))
        assert "/a-b." in file["path"]
        assert set(file) >= {"template", "path", "mode", "owner", "group"}


def test_an_object_without_a_plain_form_is_refused() -> None:
    with pytest.raises(TypeError, match="no plain form"):
        context.platform_context(Platform(timezone=object()))  # type: ignore[arg-type]
