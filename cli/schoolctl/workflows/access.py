"""Let people into a school whom its site knows: by a link that works once, or by a new password."""

import json
from collections.abc import Mapping
from typing import Any

from schoolctl.bench import site
from schoolctl.errors import RefusedError, SchoolctlError
from schoolctl.remote.server import Server


def login_link(
    server: Server, school: Mapping[str, Any], user: str | None = None, minutes: int | None = None
) -> dict[str, Any]:
    """Return a link that lets a user of a school in once: user, url, expires_in (seconds). None leaves it to the site.

    Raises RefusedError if the school is not open, or lets nobody in now.
    """
    slug = school["slug"]
    _refuse_unopened(server, school, f"let anybody into `{slug}`")
    if school["state"] != "active":
        raise RefusedError(
            f"Could not let anybody into `{slug}`",
            because=f"it is {school['state']}, so no link leads in",
            hint=f"run `schoolctl resume {slug}` first",
        )
    wanted = {"user": user, "minutes": minutes}
    told = _ask(server, school, site.LOGIN_LINK, wanted, ("user", "path", "expires_in"))
    return {"user": told["user"], "url": school["url"] + told["path"], "expires_in": told["expires_in"]}


def new_password(server: Server, school: Mapping[str, Any], user: str | None = None) -> dict[str, Any]:
    """Give a user of a school a new password and return it: user, password. None is the site's administrator.

    Raises RefusedError if the school is not open.
    """
    _refuse_unopened(server, school, f"give a new password in `{school['slug']}`")
    return _ask(server, school, site.NEW_PASSWORD, {"user": user}, ("user", "password"))


def _refuse_unopened(server: Server, school: Mapping[str, Any], wish: str) -> None:
    if not server.exists(f"{school['site_dir']}/site_config.json"):
        raise RefusedError(
            f"Could not {wish}",
            because=f"its site is not open on {server.name}",
            hint=f"run `schoolctl new-school {school['slug']}` first",
        )


def _ask(
    server: Server, school: Mapping[str, Any], function: str, wanted: Mapping[str, Any], keys: tuple[str, ...]
) -> dict[str, Any]:
    given = {name: value for name, value in wanted.items() if value is not None}
    # Its last line: apps may say something of their own before.
    lines = server.run(site.execute(school["site"], function, given)).stdout.splitlines()
    try:
        told = json.loads(lines[-1])
        return {key: told[key] for key in keys}
    except (IndexError, KeyError, TypeError, ValueError):
        # What it said instead may hold the secret, so it is not shown.
        raise SchoolctlError(
            f"Could not understand the site of `{school['slug']}`",
            because=f"{function} answered otherwise than with {', '.join(keys)}",
            hint="does the image hold the lms_app of this checkout? `schoolctl provision` brings it up to date",
        ) from None
