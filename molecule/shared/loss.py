"""The lab's server is lost, and another one is made in its place: bare, with keys of its own, at the same address."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml
from journey import ROOT, Journey


def lose_server(lab: Journey) -> None:
    """Destroy the server with everything on it; what is on the operator's machine stays."""
    subprocess.run(["docker", "rm", "--force", "--volumes", lab.container], check=True, capture_output=True)
    lab.forget_container()


def make_server(lab: Journey) -> None:
    """Make a bare server, as a provider would; the operator's inventory stays as it is."""
    argv = [Path(sys.executable).with_name("ansible-playbook"), "molecule/shared/create.yml"]
    with TemporaryDirectory() as folder:
        # A new lab gets a new inventory; this one is a new server for an old one.
        kept = shutil.copytree(lab.project.inventory, Path(folder) / "inventory")
        done = subprocess.run([*argv, "--extra-vars", f"lab_name={lab.name}"], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr
        shutil.copytree(kept, lab.project.inventory, dirs_exist_ok=True)


@contextmanager
def image_kept(lab: Journey) -> Iterator[None]:
    """Let new servers load the image of the bench meanwhile, as a registry would give it: to build it takes minutes."""
    if not lab.is_real:
        yield
        return
    [image] = lab.on_server("docker", "inspect", "--format", "{{.Config.Image}}", "schools-web").split()
    archive = ROOT / ".lab" / "images" / f"{lab.name}.tar"
    place = lab.project.platform_file
    before = place.read_text()
    content = yaml.safe_load(before)
    content["platform"]["image_archives"].append({"name": image, "path": f"/var/lib/schools-lab/images/{archive.name}"})
    try:
        with archive.open("wb") as file:
            subprocess.run(["docker", "exec", lab.container, "docker", "save", image], stdout=file, check=True)
        place.write_text(yaml.safe_dump(content, sort_keys=False))
        yield
    finally:
        archive.unlink(missing_ok=True)
        place.write_text(before)
