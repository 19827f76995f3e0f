"""Show the settings of a site, promise beside fact."""

from collections.abc import Mapping
from typing import Any

from schoolctl.remote.server import SiteFact
from schoolctl.schools import settings


def list_settings(school: Mapping[str, Any], found: SiteFact | None) -> list[dict[str, Any]]:
    """Return a row for each managed setting; `found` is None where the site is not open or leaves it to its default."""
    config = found.config if found else {}
    return [
        {
            "key": key,
            "declared": school["config"][key],
            "found": config.get(key),
            "meaning": settings.KNOWN[key].meaning if key in settings.KNOWN else settings.OWNED[key],
        }
        for key in sorted(settings.MANAGED)
    ]
