"""The keys of a site's configuration that a school's row may set, and those that schoolctl derives itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from schoolctl.schools import checks

Value = bool | int | str


@dataclass(frozen=True, slots=True)
class Setting:
    """One key: its type, the values that it may have, and what it does.

    lowest and highest bound a whole number.
    """

    kind: type
    meaning: str
    lowest: int = 0
    highest: int = 2**31


# Frappe reads many more; these are the ones that a school has reason to set and that can break nothing of another.
KNOWN: Mapping[str, Setting] = {
    "allow_cors": Setting(str, "origin that may call the school's API from a browser, such as https://app.example.org"),
    "always_use_account_email_id_as_sender": Setting(bool, "send every mail under the account's own address"),
    "deny_multiple_sessions": Setting(bool, "end a user's older session at a new login"),
    "developer_mode": Setting(bool, "let DocTypes be changed in the browser; never on a school with pupils"),
    "disable_website_cache": Setting(bool, "make every public page anew for each visitor"),
    "http_timeout": Setting(int, "seconds that a request may take", 10, 600),
    "logging": Setting(int, "0 quiet, 1 SQL, 2 SQL with what it found", 0, 2),
    "max_reports_per_user": Setting(int, "prepared reports that one user may have waiting", 1, 100),
    "monitor": Setting(bool, "log how long each request and job took"),
    "mute_emails": Setting(bool, "send no mail at all"),
    "scheduler_tick_interval": Setting(int, "seconds between two looks for jobs that are due", 60, 3600),
    "server_script_enabled": Setting(bool, "let administrators run Python in the browser"),
}

# What a key says follows from something else; the way to change it.
OWNED: Mapping[str, str] = {
    "academy_staging": "it follows from `clone --staging`",
    "db_host": "it is the platform's",
    "db_name": "it is made when the school is opened, and never changes",
    "db_password": "it is made on the server and stays there",
    "db_type": "it is the platform's",
    "encryption_key": "it is made on the server; another one would make every stored password unreadable",
    "host_name": "use `set-primary`",
    "max_file_size": "use `quota --file-mb`",
    "pause_scheduler": "use `suspend` and `resume`",
    "rate_limit": "use `quota --cpu-seconds`",
    "redis_cache": "it is the platform's",
    "redis_queue": "it is the platform's",
    "redis_socketio": "it is the platform's",
}

# The owned keys that are written from the row, beside the known ones; the rest is made once, on the server.
DERIVED = ("academy_staging", "host_name", "max_file_size", "pause_scheduler", "rate_limit")
# Every key whose value on the server has to be what the row says; others are left alone.
MANAGED = (*KNOWN, *DERIVED)


def checked(where: str, key: Any, value: Any) -> Value:
    """Return a setting's value; raises DeclarationError for an unknown key, one of schoolctl's own, or a wrong type."""
    if key in OWNED:
        raise checks.wrong(f"{where}.{key}", f"cannot be set by hand: {OWNED[key]}")
    checks.known_keys(where, {key: value}, KNOWN)
    setting = KNOWN[key]
    if type(value) is setting.kind:
        if isinstance(value, bool):
            return value
        if isinstance(value, int) and setting.lowest <= value <= setting.highest:
            return value
        if isinstance(value, str):
            try:
                return checks.text(value)
            except checks.InvalidValueError as fault:
                raise checks.wrong(f"{where}.{key}", str(fault)) from None
    raise checks.wrong(f"{where}.{key}", f"{value!r} is not {_words(setting)}")


def parsed(key: str, text: str) -> Value:
    """Return what a user typed as the type of its key; raises DeclarationError where it is none."""
    where = "set-config"
    kind = KNOWN[key].kind if key in KNOWN else str
    value: Any = text
    if kind is bool:
        value = _WORDS.get(text.lower(), text)
    elif kind is int:
        try:
            value = int(text)
        except ValueError:
            value = text
    return checked(where, key, value)


_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def _words(setting: Setting) -> str:
    if setting.kind is bool:
        return "true or false"
    if setting.kind is int:
        return f"a whole number from {setting.lowest} to {setting.highest}"
    return "text; put it in quotes"


def require_known(key: str) -> None:
    """Raise DeclarationError for a key that is not among the managed ones, with the nearest of them."""
    checks.known_keys("get-config", {key: None}, MANAGED)
