"""The password of a copy's door, as schoolctl writes it and a real Nginx reads it."""

import shutil
from base64 import b64encode
from pathlib import Path

import pytest

from schoolctl.workflows.claims import new_password
from schoolctl.workflows.clone_school import USER, password_line
from tests.support.edge import edge_here

ROWS = {"copy": {"title": "Copy", "domain": "copy.org", "staging": {"of": "tech-school", "expires": "2999-12-31"}}}


@pytest.mark.skipif(shutil.which("nginx") is None, reason="Nginx is not installed (apt install nginx-light)")
def test_who_has_it_comes_in_and_nobody_else(tmp_path: Path) -> None:
    password = new_password()
    auth = tmp_path / "edge" / "auth" / "copy"
    auth.parent.mkdir(parents=True)
    auth.write_text(password_line(USER, password))
    with edge_here(tmp_path, ROWS) as edge:
        for said, status in {f"{USER}:{password}": 200, f"{USER}:{password}x": 401, f"other:{password}": 401}.items():
            header = f"Authorization: Basic {b64encode(said.encode()).decode()}"
            assert edge.get("copy.org", "/", header).status == status, said
