"""What a page shows of its school: name, colours in light and dark, headlines, logo."""

import frappe

from lms_app import staging
from lms_app.services import colours, cover, sign_up_policy

RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "ps", "ur"})
DEFAULT = colours.PALETTES[0]


def brand() -> dict:
    """Return the school's brand for templates; one cached read, whole even where a setting is empty or unreadable."""
    settings = frappe.get_cached_doc("Academy Settings")
    light = {token: settings.get(token) or getattr(DEFAULT, token) for token in colours.TOKENS}
    if any(not colours.HEX.fullmatch(colour) for colour in light.values()):
        light = {token: getattr(DEFAULT, token) for token in colours.TOKENS}
    name = settings.school_name or frappe._("Our school")
    return {
        "name": name,
        "monogram": next((letter for letter in name if letter.isalnum()), "•").upper(),
        "tagline": settings.tagline,
        "logo": settings.logo,
        "has_sign_up": settings.sign_up == sign_up_policy.ANYBODY,
        "headlines": settings.headlines or DEFAULT.headlines,
        "light": light,
        "dark": colours.dark_scheme(light),
        "staging": staging.is_copy(),
        "motif": settings.motif or DEFAULT.motif,
        "cover": cover.draw(name, settings.motif or DEFAULT.motif),
    }


def direction(language: str | None) -> str:
    """Return `rtl` or `ltr` for a language code such as `ar` or `pt-BR`."""
    return "rtl" if (language or "en").split("-")[0].lower() in RIGHT_TO_LEFT else "ltr"


def name_website(title: str) -> None:
    """Show the school's name where people log in, and greet visitors with /learn unless a page was chosen."""
    shown = frappe.db.get_value("Website Settings", None, ["app_name", "home_page"], as_dict=True) or {}
    chosen = {"app_name": title, "home_page": shown.get("home_page") or "learn"}
    if any(shown.get(field) != value for field, value in chosen.items()):
        website = frappe.get_doc("Website Settings")
        website.update(chosen)
        website.save(ignore_permissions=True)
