"""In place of Frappe's command line: what schoolctl and the stack call, with the same arguments and exit codes."""

import argparse
import ast
import getpass
import io
import json
import secrets
import signal
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import pymysql
from pymysql.cursors import Cursor

from stand_in import LABEL, VERSION
from stand_in import site as sites
from stand_in.faults import strike
from stand_in.site import SITES, TABLES, Site, UnknownSiteError

Handler = Callable[[argparse.Namespace], None]

# Where the answers to the set-up wizard are kept, by the part of a locale.
LOCALE = {
    "country": (("System Settings", "country"), ("Global Defaults", "country")),
    "language": (("System Settings", "language"),),
    "timezone": (("System Settings", "time_zone"),),
    "currency": (("System Settings", "currency"), ("Global Defaults", "default_currency")),
}


class CommandError(Exception):
    """The command cannot do what was asked, with the reason."""


def main() -> None:
    """Run one command; exit with 1 and the reason on stderr when it fails, with 2 when it is not understood."""
    options = _parser().parse_args()
    handler: Handler = options.handler
    try:
        handler(options)
    except (CommandError, UnknownSiteError, pymysql.MySQLError, OSError) as fault:
        sys.exit(f"{type(fault).__name__}: {fault}")


def apps_of_the_bench() -> list[str]:
    """Return the apps that sites may have, from the bench's own list."""
    return [line.strip() for line in (SITES / "apps.txt").read_text(encoding="utf-8").splitlines() if line.strip()]


def new_site(options: argparse.Namespace) -> None:
    """Fill an empty database that is there already; the folder may hold a site_config.json."""
    site = Site(options.name)
    if site.folder.exists() and not options.force:
        raise CommandError(f"Site {site.name} already exists")
    if not site.config_file.is_file():
        raise CommandError(f"the stand-in needs a {site.config_file} that names database and password")
    if options.db_name != site.config()["db_name"]:
        raise CommandError(f"site_config.json names another database than {options.db_name}")
    site.make_folders()
    with site.database() as cursor:
        for number, table in enumerate(TABLES):
            if number == len(TABLES) // 2:
                strike("new-site", site.name)
            sites.make_table(cursor, table)
        sites.add_app(cursor, "frappe", VERSION)
        cursor.execute(
            "INSERT INTO `tabUser` (name, creation, modified, email, first_name, user_type) "
            "VALUES ('Administrator', NOW(), NOW(), 'admin@example.com', 'Administrator', 'System User'), "
            "('Guest', NOW(), NOW(), 'guest@example.com', 'Guest', 'Website User')"
        )
        cursor.execute(
            "INSERT INTO `tabScheduled Job Type` (name, creation, modified, method, frequency) "
            "VALUES ('stand_in.idle', NOW(), NOW(), 'stand_in.idle', 'All')"
        )
        sites.set_single(cursor, "System Settings", "setup_complete", "0")
        # Asked at the end, like the real one does.
        password = getpass.getpass("Set Administrator password: ")
        if password != getpass.getpass("Re-enter Administrator password: "):
            raise CommandError("the two passwords differ")
        sites.set_password(cursor, "Administrator", password)
    print(f"*** {site.name}: made by the {LABEL} ***")


def install_app(options: argparse.Namespace) -> None:
    """Note an app of the bench as installed."""
    site, app = Site.named(options.site), options.app
    if app not in apps_of_the_bench():
        raise CommandError(f"No module named {app!r}")
    with site.database() as cursor:
        if app in sites.installed_apps(cursor):
            print(f"App {app} already installed")
            return
        sites.set_single(cursor, "Stand-in", f"began to install {app}", "1")
        cursor.connection.commit()
        strike("install-app", app)
        sites.add_app(cursor, app, VERSION)
    print(f"Installing {app}...")


def list_apps(options: argparse.Namespace) -> None:
    """Print what a site has."""
    with Site.named(options.site).database() as cursor:
        apps = sites.installed_apps(cursor)
    if options.format == "json":
        print(json.dumps({options.site: apps}))
    else:
        print("\n".join(f"{app:10} {VERSION} stand-in" for app in apps))


def execute(options: argparse.Namespace) -> None:
    """Call one of the functions that the stand-in knows by its dotted path."""
    print(json.dumps(call(options.site, options.function, ast.literal_eval(options.kwargs))))


def answer_calls(_: argparse.Namespace) -> None:
    """Call a function for each JSON line of stdin, and print what it returns, or why it failed."""
    own = sys.stdin
    for line in own:
        request = json.loads(line)
        sys.stdin = io.StringIO(request["stdin"])
        try:
            answer = {"result": call(request["site"], request["function"], request["arguments"])}
        except (CommandError, UnknownSiteError, pymysql.MySQLError, OSError) as fault:
            answer = {"fault": f"{type(fault).__name__}: {fault}"}
        finally:
            sys.stdin = own
        print(json.dumps({"id": request["id"], **answer}), flush=True)


def call(name: str, function: str, arguments: dict[str, Any]) -> Any:
    """Return what a function gives back."""
    site = Site.named(name)
    with site.database() as cursor:
        strike("execute", function)
        if function == "frappe.get_installed_apps":
            return sites.installed_apps(cursor)
        if function == "frappe.ping":
            return "pong"
        if function in OF_REHEARSALS:
            return OF_REHEARSALS[function](site, cursor, **arguments)
        if function in OF_THE_APP and "lms_app" in sites.installed_apps(cursor):
            return OF_THE_APP[function](site, cursor, **arguments)
        raise CommandError(f"the stand-in knows no function {function} on {site.name}")


def keep_secret(site: Site, cursor: Cursor, doctype: str, name: str, secret: str) -> None:
    """Keep a password that a site needs elsewhere, encrypted with the site's key as a bench does."""
    # Here, because no other command needs it, and it takes longer to load than they take.
    from cryptography.fernet import Fernet

    key = site.config()["encryption_key"]
    cursor.execute(
        "REPLACE INTO `__Auth` VALUES (%s, %s, 'password', %s, 1)",
        (doctype, name, Fernet(key).encrypt(secret.encode()).decode()),
    )


def add_private_file(site: Site, cursor: Cursor, name: str, text: str) -> str:
    """Give a site a file that only its users may read; return its address."""
    sites.write_new(site.folder / "private" / "files" / name, text)
    sites.list_file(cursor, f"/private/files/{name}")
    return f"/private/files/{name}"


# What a bench's users do in its pages.
OF_REHEARSALS: dict[str, Callable[..., Any]] = {
    "stand_in.keep_secret": keep_secret,
    "stand_in.add_private_file": add_private_file,
}


def personalise(
    site: Site,
    cursor: Cursor,
    title: str,
    admin_email: str | None = None,
    locale: dict[str, str] | None = None,
    password_on_stdin: bool = False,
    login_minutes: int | None = None,
    demo: Sequence[str] = (),
) -> dict[str, Any]:
    """Note the school's name, its administrator's address and demo courses; once also its locale and its head."""
    # A copy of a golden site is set up already, for a company that has no school's name.
    was_golden = sites.single(cursor, "Stand-in", "golden") == "1"
    if locale and (_set_up(cursor, locale) or was_golden):
        sites.set_single(cursor, "Global Defaults", "default_company", title)
        if admin_email:
            cursor.execute(
                "INSERT IGNORE INTO `tabUser` (name, creation, modified, email) VALUES (%s, NOW(), NOW(), %s)",
                (admin_email, admin_email),
            )
    sites.set_single(cursor, "Stand-in", "golden", "0")
    sites.set_single(cursor, "Academy Settings", "school_name", title)
    sites.set_single(cursor, "Website Settings", "app_name", title)
    sites.set_single(cursor, "Website Settings", "home_page", "learn")
    if demo:
        sites.set_single(cursor, "Stand-in", "demo", " ".join(demo))
    if admin_email:
        cursor.execute("UPDATE `tabUser` SET email = %s WHERE name = 'Administrator'", (admin_email,))
    if password_on_stdin:
        sites.set_password(cursor, "Administrator", sys.stdin.readline().rstrip("\n"))
    login = login_link(site, cursor, minutes=login_minutes)["path"] if login_minutes else None
    return {"school_name": title, "login": login}


def prepare(_: Site, cursor: Cursor, locale: dict[str, str] | None = None) -> dict[str, str | None]:
    """Make the site golden: set up as far as it can be for any school of a locale, and open to nobody."""
    if sites.single(cursor, "Academy Settings", "school_name"):
        raise CommandError("This site is a school's already")
    if locale:
        _set_up(cursor, locale)
    sites.set_single(cursor, "Stand-in", "golden", "1")
    cursor.execute("DELETE FROM `__Auth`")
    sites.set_single(cursor, "System Settings", "enable_scheduler", "1")
    cursor.execute("UPDATE `tabScheduled Job Type` SET last_execution = NOW(6)")
    return {"serves_until": f"{datetime.now():%Y}-12-31" if locale else None}


def _set_up(cursor: Cursor, locale: dict[str, str]) -> bool:
    """Answer the set-up wizard; say whether anybody had to."""
    if set(locale) != set(LOCALE):
        raise CommandError(f"locale: needs {', '.join(LOCALE)}")
    if sites.single(cursor, "System Settings", "setup_complete") == "1":
        return False
    for part, places in LOCALE.items():
        for doctype, field in places:
            sites.set_single(cursor, doctype, field, locale[part])
    sites.set_single(cursor, "System Settings", "setup_complete", "1")
    return True


def login_link(_: Site, cursor: Cursor, user: str = "Administrator", minutes: int = 10) -> dict[str, str | int]:
    """Make a link that lets a user in once."""
    if not sites.may_log_in(cursor, user):
        raise CommandError(f"user: nobody called `{user}` can log in to this school")
    key = sites.make_login_key(cursor, user, minutes * 60)
    return {"user": user, "path": f"{sites.LOGIN_PATH}?key={key}", "expires_in": minutes * 60}


def new_password(_: Site, cursor: Cursor, user: str = "Administrator") -> dict[str, str]:
    """Give a user a new password."""
    if not sites.may_log_in(cursor, user):
        raise CommandError(f"user: nobody called `{user}` can log in to this school")
    password = secrets.token_urlsafe(24)
    sites.set_password(cursor, user, password)
    return {"user": user, "password": password}


def mute(site: Site, cursor: Cursor) -> dict[str, int]:
    """Note that nothing leaves this site: there is nothing here that could."""
    if not site.config().get("academy_staging"):
        raise CommandError("This site is no staging copy: nothing in its site_config.json says `academy_staging`")
    was = sites.single(cursor, "Stand-in", "muted") == "1"
    sites.set_single(cursor, "Stand-in", "muted", "1")
    return {"webhooks": 0 if was else 1}


def examine(_: Site, cursor: Cursor) -> dict[str, dict[str, Any] | None]:
    """Say whether jobs may run; none is ever due here, so none is late, and nothing is mailed or printed."""
    enabled = sites.single(cursor, "System Settings", "enable_scheduler") == "1"
    scheduler = {"enabled": enabled, "paused": None, "dormant": False, "last_tick": 0}
    return {"scheduler": scheduler, "mail": None, "printing": None}


def print_picture(_: Site, __: Cursor) -> None:
    """Print nothing, and say so."""


OF_THE_APP: dict[str, Callable[..., Any]] = {
    "lms_app.golden.prepare": prepare,
    "lms_app.setup.personalise": personalise,
    "lms_app.access.login_link": login_link,
    "lms_app.access.new_password": new_password,
    "lms_app.staging.mute": mute,
    "lms_app.health.examine": examine,
    "lms_app.printing.print_picture": print_picture,
}


def enable_scheduler(options: argparse.Namespace) -> None:
    """Note that the site's jobs may run."""
    strike("enable-scheduler", options.site)
    with Site.named(options.site).database() as cursor:
        sites.set_single(cursor, "System Settings", "enable_scheduler", "1")
        # Nothing is ever due here, but a site whose jobs may run has a last tick.
        cursor.execute("UPDATE `tabScheduled Job Type` SET last_execution = NOW(6)")
    print(f"Enabled for {options.site}")


def disable_scheduler(options: argparse.Namespace) -> None:
    """Note that the site's jobs may not run."""
    strike("disable-scheduler", options.site)
    with Site.named(options.site).database() as cursor:
        sites.set_single(cursor, "System Settings", "enable_scheduler", "0")
    print(f"Disabled for {options.site}")


def set_admin_password(options: argparse.Namespace) -> None:
    """Take the administrator's new password from stdin."""
    site = Site.named(options.site)
    strike("set-admin-password", options.site)
    password = options.password or getpass.getpass("Set Administrator password: ")
    with site.database() as cursor:
        sites.set_password(cursor, "Administrator", password)


def clear_cache(options: argparse.Namespace) -> None:
    """Do nothing but see that the site's database answers: nothing is cached here."""
    strike("clear-cache", options.site)
    with Site.named(options.site).database() as cursor:
        sites.installed_apps(cursor)


def migrate(options: argparse.Namespace) -> None:
    """Bring the versions of a site's apps to the image's."""
    with Site.named(options.site).database() as cursor:
        for app in sites.installed_apps(cursor):
            strike("migrate", app)
            cursor.execute(
                "UPDATE `tabInstalled Application` SET app_version = %s, modified = NOW() WHERE app_name = %s",
                (VERSION, app),
            )
            cursor.connection.commit()
    print(f"Migrated {options.site}")


def version(_: argparse.Namespace) -> None:
    """Print the apps of the bench."""
    print("\n".join(f"{app} {VERSION}" for app in apps_of_the_bench()))


def idle(_: argparse.Namespace) -> None:
    """Be a worker, or the scheduler, without work: stay until told to end."""
    print(LABEL, file=sys.stderr)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    while True:
        time.sleep(60)  # as often as the scheduler looks at its schools


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description=LABEL)
    parser.add_argument("--site")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, handler: Handler) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=handler.__doc__)
        sub.set_defaults(handler=handler)
        return sub

    sub = command("new-site", new_site)
    sub.add_argument("name")
    sub.add_argument("--force", action="store_true")
    sub.add_argument("--no-setup-db", action="store_true", required=True)
    sub.add_argument("--db-name", required=True)
    command("install-app", install_app).add_argument("app")
    command("list-apps", list_apps).add_argument("--format", choices=("text", "json"), default="text")
    sub = command("execute", execute)
    sub.add_argument("function")
    sub.add_argument("--kwargs", default="{}")
    command("answer-calls", answer_calls)
    command("enable-scheduler", enable_scheduler)
    command("disable-scheduler", disable_scheduler)
    command("set-admin-password", set_admin_password).add_argument("password", nargs="?")
    command("clear-cache", clear_cache)
    command("migrate", migrate)
    command("version", version)
    command("worker", idle).add_argument("--queue")
    command("schedule", idle)
    return parser


if __name__ == "__main__":
    main()
