"""What shared templates see: plain dicts, derived once, for Ansible and for the CLI alike."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from schoolctl.schools import apps, checks, settings
from schoolctl.schools.backups import Keep
from schoolctl.schools.model import FILE_NAME, School
from schoolctl.schools.platform import FRAPPE_BODY_MB, FRAPPE_UID, MAX_BODY_MB, Platform, Sizing

if TYPE_CHECKING:
    from jinja2 import Template

MANIFEST = "manifest.yml"


def bench_image(platform: Platform, project_root: Path, lock_file: Path) -> str:
    """Return the full name of the bench image: the declared one, or a hash of all that it is built from.

    Empty while the apps are not locked to commits. Raises DeclarationError if they are locked otherwise than declared.
    """
    if platform.bench_image:
        return platform.bench_image
    if not lock_file.exists():
        return ""
    lock = apps.read_lock(lock_file)
    apps.require_match(lock, platform.apps)
    tag = apps.image_tag(
        lock,
        lms_app_dir=project_root / "lms_app",
        image_dir=project_root / "templates" / "image",
        release=platform.release,
        debian_image=platform.images.debian,
        extra_ca_file=project_root / platform.extra_ca_file if platform.extra_ca_file else None,
        lms_app_is_lent=bool(platform.lms_app_source),
    )
    return f"schools/bench:{tag}"


def platform_context(platform: Platform) -> dict[str, Any]:
    """Return the platform as the templates of schools see it: what is declared, nothing of one server or image."""
    context = {**_plain(platform), "frappe_uid": FRAPPE_UID, "max_body_mb": MAX_BODY_MB}
    context["backups"]["targets"] = {
        name: {**_plain(target), "ssh": target.ssh, "folder": target.folder}
        for name, target in platform.backups.placed(platform.root).items()
    }
    return context


def server_context(platform: Platform, *, templates: Path, image: str, memory_mb: int, cores: int) -> dict[str, Any]:
    """Return the platform as its own templates see it: with the image, sizes for this server, its list of files."""
    context = platform_context(platform)
    context["image"] = image
    context["image_tag"] = image.rpartition(":")[2]
    context["sizing"] = _plain(Sizing.of(memory_mb, cores))
    context["files"] = _files(templates, "platform", {"platform": context})
    return context


def edge_context(platform: Mapping[str, Any], *, templates: Path) -> dict[str, Any]:
    """Return the list of the platform's own files that the edge reads: they follow from what is declared alone."""
    files = _files(templates, "platform", {"platform": platform})
    return {"files": [file for file in files if file["apply"] == "edge"]}


def school_context(school: School, platform: Mapping[str, Any], *, templates: Path) -> dict[str, Any]:
    """Return one school as templates see it, with its list of files."""
    context: dict[str, Any] = {
        "slug": school.slug,
        "row": school.row,
        "title": school.title,
        "domain": school.domain,
        "aliases": list(school.aliases),
        "hosts": list(school.hosts),
        "admin_email": school.admin_email,
        "locale": _plain(school.locale),
        "state": school.state,
        "staging": {**_plain(school.staging), "over": _from_day_on(school.staging.expires)} if school.staging else None,
        # What the bench takes itself, so that nothing comes to it that it refuses without a word.
        "max_body_mb": school.quota.file_mb or FRAPPE_BODY_MB,
        # What a browser wraps around a file comes on top of it.
        "max_upload_mb": school.quota.file_mb + 1 if school.quota.file_mb else MAX_BODY_MB,
        "connections": school.quota.connections or 0,
        "keep": _keep(school, platform),
        "site": school.slug,
        "site_dir": f"{platform['root']}/sites/{school.slug}",
        "url": url(school, platform),
        "certificate": certificate(school, platform),
    }
    context["config"] = _config(school, context["url"])
    context["files"] = _files(templates, "school", {"platform": platform, "school": context})
    return context


def _config(school: School, address: str) -> dict[str, Any]:
    """Return every managed key of the site's configuration; None for one that must not be there."""
    quota = school.quota
    at_rest = school.state != "active" or school.staging
    return {
        **dict.fromkeys(settings.MANAGED),
        **school.config,
        "host_name": address,
        "pause_scheduler": 1 if at_rest else None,
        "rate_limit": {"limit": quota.cpu_seconds, "window": 86400} if quota.cpu_seconds else None,
        "max_file_size": quota.file_mb * 1024 * 1024 if quota.file_mb else None,
        "academy_staging": 1 if school.staging else None,
        # Server Scripts could reach out past all that is muted.
        **({"mute_emails": True, "server_script_enabled": None} if school.staging else {}),
    }


def _keep(school: School, platform: Mapping[str, Any]) -> dict[str, int]:
    """Return how many of the school's sets stay: by its row, and by the platform where that says nothing."""
    kept = school.keep.over(Keep(**platform["backups"]["keep"])).row
    if not any(kept.values()):
        raise checks.wrong(f"{FILE_NAME}: schools.{school.slug}.backup.keep", "and platform.yml keep no set at all")
    return kept


def _from_day_on(day: str) -> str:
    """Return a regular expression for ISO times on or after a day: Nginx can match, but not compare."""
    later = [
        f"{day[:place]}[{int(digit) + 1}-9]" for place, digit in enumerate(day) if digit.isdigit() and digit != "9"
    ]
    return f"^(?:{'|'.join([day, *later])})"


def certificate(school: School, platform: Mapping[str, Any]) -> str:
    """Return where the school's certificate comes from: own, acme or self-signed."""
    return school.certificate or str(platform["tls"]["certificates"])


def url(school: School, platform: Mapping[str, Any]) -> str:
    """Return the school's canonical address without a slash at its end."""
    scheme, usual = ("http", 80) if certificate(school, platform) == "self-signed" else ("https", 443)
    port = platform["edge"][f"public_{scheme}_port"]
    return f"{scheme}://{school.domain}" + ("" if port == usual else f":{port}")


def _files(templates: Path, section: str, context: Mapping[str, Any]) -> list[dict[str, str]]:
    return [{key: value.render(context) for key, value in entry.items()} for entry in _entries(templates, section)]


@cache
def _entries(templates: Path, section: str) -> list[dict[str, "Template"]]:
    """Return a section of the manifest ready to fill in: read once, however many schools there are."""
    manifest = yaml.safe_load((templates / MANIFEST).read_text(encoding="utf-8"))
    from jinja2 import Environment, StrictUndefined

    jinja = Environment(undefined=StrictUndefined, autoescape=False)  # noqa: S701 - paths, not HTML
    return [{key: jinja.from_string(str(value)) for key, value in entry.items()} for entry in manifest[section]]


def _plain(value: Any) -> Any:
    """Return dataclasses as dicts: by hand, because `asdict` copies what Ansible hands over lazily."""
    if hasattr(value, "__dataclass_fields__"):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    if isinstance(value, Iterable):
        return [_plain(entry) for entry in value]
    raise TypeError(f"{type(value).__name__} has no plain form")
