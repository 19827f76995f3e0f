"""See whether what a set holds fits what runs, and what was loaded fits the set: apps, tables, stored secrets."""

from collections.abc import Mapping, Sequence

from schoolctl.bench import database, site
from schoolctl.errors import RefusedError, SchoolctlError
from schoolctl.remote.backups import ComparedImage
from schoolctl.remote.server import Server
from schoolctl.schools.apps import VERSION, is_older


def versions_of_image(server: Server) -> dict[str, str]:
    """Return the apps of the image that runs, with their versions."""
    return database.versions_of(server.run(site.versions()).stdout)


def refuse_newer(wish: str, found: Mapping[str, str], image: Mapping[str, str]) -> None:
    """Raise RefusedError if what was found was made by an app that the image lacks, or has an older version of.

    wish: as in "Could not <wish>".
    """
    lacking = [f"{app} {version}" for app, version in found.items() if app not in image]
    if lacking:
        raise RefusedError(
            f"Could not {wish}",
            because=f"it was made with {', '.join(lacking)}, which the image that runs has not",
            hint="add the app to platform.yml, then run `schoolctl lock` and `schoolctl provision`",
        )
    newer = [
        f"{app} {version}, and the image has {image[app]}"
        for app, version in found.items()
        if version != image[app] and (not VERSION.fullmatch(version) or is_older(image[app], version))
    ]
    if newer:
        raise RefusedError(
            f"Could not {wish}",
            because=f"it was made by newer code: {'; '.join(newer)}. What that changed, older code does not know",
            hint="run the image that it was made with, or a newer one; or choose an older set",
        )


def refuse_newer_image(wish: str, image: ComparedImage) -> None:
    """Raise RefusedError if a set is of a newer image than the one that runs, whatever versions its apps call theirs.

    wish: as in "Could not <wish>".
    """
    if image.is_newer:
        raise RefusedError(
            f"Could not {wish}",
            because=f"it is of the image {image.of_set}, which is newer than {image.runs}, by which it would run: what"
            " that changed, older code does not know",
            hint="run the newer image, or choose an older set; --newer-image takes it all the same",
        )


def refuse_differing(wish: str, tables: Sequence[str], source: str, hint: str) -> None:
    """Raise SchoolctlError if there are tables in which a database that was loaded is not what its source holds.

    wish: as in "Could not <wish>". source: as in "what <source> holds".
    """
    if tables:
        named = ", ".join(tables[:5]) + (f" and {len(tables) - 5} more" if tables[5:] else "")
        because = f"what was loaded is not what {source} holds: {named}; nothing was replaced"
        raise SchoolctlError(f"Could not {wish}", because=because, hint=hint)


def lost_secrets(server: Server, name: str, folder: str) -> int:
    """Return how many of the values that a database stores encrypted the key in a site's folder does not open."""
    tokens = server.run(database.stored_secrets(name)).stdout.split()
    return len(tokens) - server.key_opens(folder, tokens) if tokens else 0
