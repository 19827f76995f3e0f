import json
import subprocess
from pathlib import Path

import yaml

from tests.support.project import schoolctl


def test_the_commit_of_each_app_is_written_and_printed(project: Path, tmp_path: Path) -> None:
    repository = tmp_path / "frappe.git"
    git = ["git", "-C", str(repository), "-c", "user.name=Test", "-c", "user.email=test@example.com"]
    subprocess.run(["git", "init", "--quiet", "--initial-branch=version-15", str(repository)], check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "--message=first"], check=True)
    commit = subprocess.check_output([*git, "rev-parse", "HEAD"], text=True).strip()
    file = project / "inventories/test/group_vars/all/platform.yml"
    app = {"name": "frappe", "url": str(repository), "branch": "version-15"}
    file.write_text(yaml.safe_dump({"platform": {"apps": [app]}}))
    done = schoolctl(project, None, "lock", "--json")
    assert done.code == 0, done.stderr
    assert json.loads(done.stdout) == {"frappe": commit}
    assert commit in (project / "inventories/test/apps.lock.yml").read_text()
