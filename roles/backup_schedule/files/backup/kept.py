"""What restores replaced: it can be gone back to for some days after there is a new set wherever sets shall be."""

import re
import shutil
from datetime import timedelta

from backup import redis, sets, sites
from backup.files import read_json

AGE = timedelta(days=7)

_NAME = re.compile(r"(\d{8}T\d{6}Z)-before-[0-9a-z]+")
_DATABASE = re.compile(r"sch[0-9a-f]{12}")


def let_go(settings, slug, database):
    """Remove what restores of a school replaced longer ago than AGE, with its databases; return how many there were."""
    number = 0
    for folder in sorted((settings.root / "archive" / slug).glob("*-before-*")):
        name = _NAME.fullmatch(folder.name)
        if not name or sets.now() - sets.moment_of_name(name[1]) < AGE:
            continue
        # The bench wrote that configuration, so what it names is no proof of whose database that is.
        old = sites.config(folder.parent, folder.name).get("db_name")
        if isinstance(old, str) and _DATABASE.fullmatch(old) and old not in _in_use(settings, folder):
            database.drop(old)
            redis.forget(settings, "forget_cache", old)
        shutil.rmtree(folder)
        number += 1
    return number


def _in_use(settings, own):
    """Return every database that something else has: a site, one that is closed or kept, a claim, or the pool."""
    archive = settings.root / "archive"
    folders = [*(settings.root / "sites").glob("*"), *archive.glob("*.*"), *archive.glob("*/*-before-*")]
    names = {sites.config(folder.parent, folder.name).get("db_name") for folder in folders if folder != own}
    names |= {(read_json(path) or {}).get("database") for path in (settings.root / "journal").glob("*.json")}
    return names | {path.stem for path in (settings.root / "pool").glob("sch*")}
