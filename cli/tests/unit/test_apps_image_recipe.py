import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from jinja2 import Environment, StrictUndefined

RECIPE = Path(__file__).resolve().parents[3] / "templates" / "image"
TOOLCHAINS = yaml.safe_load((RECIPE / "toolchains.yml").read_text())


def containerfile(release: str) -> str:
    jinja = Environment(undefined=StrictUndefined, trim_blocks=True, autoescape=False)  # noqa: S701 - no HTML
    return jinja.from_string((RECIPE / "Containerfile.j2").read_text()).render(
        bench_image_debian="debian:bookworm-slim",
        bench_image_uid=11000,
        bench_image_release=release,
        __bench_image_tag="version-15-0123456789ab",
        __bench_image_toolchain=TOOLCHAINS[release],
        __bench_image_apps=[
            {"name": "frappe", "source": "apps/frappe", "version": "15.121.0", "commit": "a" * 40},
            {"name": "lms_app", "source": "lms_app", "version": "0.1.0", "commit": "here"},
        ],
    )


@pytest.mark.parametrize("release", TOOLCHAINS)
def test_the_containerfile_needs_no_registry_and_labels_each_app(release: str) -> None:
    text = containerfile(release)
    assert "# syntax=" not in text
    assert f'org.schoolctl.app.frappe="15.121.0 {"a" * 40}"' in text
    assert f'org.schoolctl.release="{release}"' in text


def test_compilers_and_git_are_installed_in_the_build_stage_only() -> None:
    toolchain = TOOLCHAINS["version-15"]
    assert not {"git", "build-essential", "npm"} & set(toolchain["run_packages"])
    final = containerfile("version-15").rpartition("\nFROM ")[2]
    assert "apt-get" not in final
    assert "USER frappe" in final


def package(folder: Path, name: str, **manifest: object) -> Path:
    path = folder / "node_modules" / name
    path.mkdir(parents=True)
    (path / "package.json").write_text(json.dumps({"name": name, **manifest}))
    return path


def run(script: str, *argv: str) -> None:
    subprocess.run([sys.executable, str(RECIPE / script), *argv], check=True, capture_output=True)


def test_only_packages_that_a_program_or_a_stylesheet_needs_are_kept(tmp_path: Path) -> None:
    app = tmp_path / "frappe"
    (app / "realtime").mkdir(parents=True)
    (app / "frappe" / "public" / "scss").mkdir(parents=True)
    (app / "socketio.js").write_text('require("./realtime");')
    (app / "realtime" / "index.js").write_text('const a = require("socket.io"); const b = require("@redis/client");')
    (app / "frappe" / "public" / "scss" / "website.scss").write_text('@import "~bootstrap/scss/bootstrap";')
    server = package(app, "socket.io", dependencies={"ws": "1", "accepts": "1"})
    package(server, "ws", dependencies={"deep": "1"})
    for name in ("@redis/client", "bootstrap", "accepts", "deep", "esbuild", "ws", "@vue/compiler"):
        package(app, name)
    run("keep_node_modules.py", str(app), "socketio.js", "not_there.js")
    kept = {path.parent.relative_to(app).as_posix() for path in app.rglob("package.json")}
    names = ("@redis/client", "accepts", "bootstrap", "deep", "socket.io", "socket.io/node_modules/ws")
    assert kept == {f"node_modules/{name}" for name in names}


def test_an_app_without_programs_keeps_no_packages(tmp_path: Path) -> None:
    package(tmp_path, "onscan.js")
    run("keep_node_modules.py", str(tmp_path), "socketio.js")
    assert list((tmp_path / "node_modules").iterdir()) == []


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    public = tmp_path / "apps" / "frappe" / "frappe" / "public"
    (public / "dist").mkdir(parents=True)
    (public / "dist" / "desk.js").write_text("x" * 4000)
    (public / "dist" / "desk.js.map").write_text("{}")
    (public / "dist" / "icons.otf").write_text("x" * 4000)
    (public / "dist" / "photo.jpg").write_text("x" * 4000)
    (public / "small.js").write_text('load("/assets/frappe/node_modules/js-sha256/build/sha256.min.js")')
    package(tmp_path / "apps" / "frappe", "js-sha256")
    package(tmp_path / "apps" / "frappe", "esbuild")
    (public / "node_modules").symlink_to(tmp_path / "apps" / "frappe" / "node_modules")
    (tmp_path / "sites" / "assets").mkdir(parents=True)
    (tmp_path / "sites" / "assets" / "frappe").symlink_to(public)
    (tmp_path / "sites" / "assets" / "assets.json").write_text("{}")
    (tmp_path / "sites" / "apps.txt").write_text("frappe\n")
    run("bake_assets.py", str(tmp_path))
    return tmp_path


def test_baked_assets_are_real_files_with_packed_copies_of_what_is_worth_it(bench: Path) -> None:
    files = {path.relative_to(bench / "assets").as_posix() for path in (bench / "assets").rglob("*") if path.is_file()}
    assert files == {
        "assets.json",
        "frappe/dist/desk.js",
        "frappe/dist/desk.js.gz",
        "frappe/dist/icons.otf",
        "frappe/dist/icons.otf.gz",
        "frappe/dist/photo.jpg",
        "frappe/node_modules/js-sha256/package.json",
        "frappe/small.js",
    }
    assert not [path for path in (bench / "assets").rglob("*") if path.is_symlink()]


def test_an_apps_public_folder_is_the_baked_one(bench: Path) -> None:
    public = bench / "apps" / "frappe" / "frappe" / "public"
    assert public.is_symlink()
    assert public.resolve() == (bench / "assets" / "frappe").resolve()
    assert public.readlink().is_absolute()
