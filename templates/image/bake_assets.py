#!/usr/bin/env python3
"""Turn a bench's linked assets into one plain folder that a web server can serve from anywhere.

Usage: bake_assets.py BENCH

Copies sites/assets to assets/ as real files, takes from node_modules only the packages that browsers are sent to, packs
what compresses well beside itself for gzip_static, and replaces each app's public folder by a link to its baked copy.
"""

import gzip
import re
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

IN_BROWSER = re.compile(r"assets/([a-z0-9_]+)/node_modules/((?:@[\w.-]+/)?[\w.-]+)")
SCRIPTS = {".js", ".html", ".py", ".vue"}
COMPRESSIBLE = {
    *(
        ".css",
        ".eot",
        ".html",
        ".ico",
        ".js",
        ".json",
        ".mjs",
        ".otf",
        ".svg",
        ".ttf",
        ".txt",
        ".wasm",
        ".webmanifest",
        ".xml",
    ),
}
WORTH_PACKING = 1024
LEFT_OUT = shutil.ignore_patterns("node_modules", "*.map", ".git*")


def packages_in_browser(apps: Path) -> Iterator[tuple[str, str]]:
    """Yield (app, package) for every node_modules path that the apps' own code sends to a browser."""
    for path in apps.rglob("*"):
        if path.suffix in SCRIPTS and not {"node_modules", "dist"} & set(path.parts) and path.is_file():
            yield from IN_BROWSER.findall(path.read_text(encoding="utf-8", errors="replace"))


def pack(path: Path) -> None:
    """Write a gzip copy beside the file if it is smaller."""
    content = path.read_bytes()
    packed = gzip.compress(content, compresslevel=9, mtime=0)
    if len(packed) < len(content):
        path.with_name(path.name + ".gz").write_bytes(packed)


def main() -> None:
    """Bake the bench that the first argument names."""
    bench = Path(sys.argv[1]).resolve()
    linked, baked, apps = bench / "sites/assets", bench / "assets", bench / "apps"
    for source in linked.iterdir():
        if source.is_dir():
            shutil.copytree(source, baked / source.name, ignore=LEFT_OUT, dirs_exist_ok=True)
        else:
            baked.mkdir(exist_ok=True)
            shutil.copy2(source, baked / source.name)
    for app, package in sorted(set(packages_in_browser(apps))):
        source = apps / app / "node_modules" / package
        if source.is_dir():
            shutil.copytree(source, baked / app / "node_modules" / package, ignore=LEFT_OUT)
    files = [path for path in baked.rglob("*") if path.is_file()]
    heavy = [path for path in files if path.suffix in COMPRESSIBLE and path.stat().st_size >= WORTH_PACKING]
    with ProcessPoolExecutor() as pool:
        list(pool.map(pack, heavy, chunksize=16))
    for app in (line.strip() for line in (bench / "sites/apps.txt").read_text().splitlines()):
        public = apps / app / app / "public"
        if public.is_dir() and (baked / app).is_dir():
            shutil.rmtree(public)
            public.symlink_to(baked / app)
    print(f"baked {len(files)} files, packed {len(heavy)}")


if __name__ == "__main__":
    main()
