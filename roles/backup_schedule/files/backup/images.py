"""The image that the schools run in, and whether a set is of it, of another or of a newer one.

An image is known by its name, where that follows from its content: `schools/bench:` and a hash, or what ends with a
digest. Any other name may be given to another image later, so there its hash counts as well. Which of two is newer is
told by when each was built.
"""

import json
import re
from datetime import datetime, timezone

from backup import programs
from backup.errors import BackupError
from backup.settings import ISO

SAME, OTHER, NEWER = "same", "other", "newer"

_BY_CONTENT = re.compile(r"schools/bench:.+|.+@sha256:[0-9a-f]{64}")
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)")
# Who wants builds to be repeatable says that all of them are from long ago.
_FIRST_YEAR = 2013
_PATIENCE_S = 30


def running(settings):
    """Return what a manifest says of the image that runs the schools now; each is None if that cannot be told."""
    container, unknown = settings.containers.get("web"), {"image": None, "image_id": None, "image_built": None}
    if not container:
        return unknown
    try:
        name, number = _inspect("container", container, "{{json .Config.Image}} {{json .Image}}")
        [built] = _inspect("image", number, "{{json .Created}}")
    except (BackupError, OSError, ValueError, TypeError):
        return unknown
    return {"image": name or None, "image_id": number, "image_built": _moment(built)}


def relation(manifest, now):
    """Return how the image of a set stands to the one that runs now: SAME, OTHER or NEWER; None if nobody can tell.

    The image of a set of which nobody noted when it was built is at most as young as the set.
    """
    if not manifest.get("image") or not now["image"]:
        return None
    if _is_same(manifest, now):
        return SAME
    built = manifest.get("image_built") or manifest.get("taken")
    return NEWER if built and now["image_built"] and built > now["image_built"] else OTHER


def _is_same(one, other):
    ids = {one.get("image_id"), other["image_id"]}
    if one["image"] == other["image"] and (_BY_CONTENT.fullmatch(one["image"]) or None in ids):
        return True
    return None not in ids and len(ids) == 1


def _inspect(kind, name, form):
    said = programs.run(["docker", kind, "inspect", "--format", form, name], timeout=_PATIENCE_S)
    return [json.loads(word) for word in said.stdout.decode().split()]


def _moment(text):
    found = _MOMENT.fullmatch(text)
    if not found or int(text[:4]) < _FIRST_YEAR:
        return None
    moment = datetime.fromisoformat(found[1] + found[2].replace("Z", "+00:00"))
    return moment.astimezone(timezone.utc).strftime(ISO)
