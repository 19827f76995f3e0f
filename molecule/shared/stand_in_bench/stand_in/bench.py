"""In place of Frappe's command line: what schoolctl and the stack call, with the same arguments and exit codes."""

import argparse
import ast
import getpass
import json
import signal
import sys
from collections.abc import Callable

import pymysql

from stand_in import LABEL, VERSION
from stand_in import site as sites
from stand_in.faults import strike
from stand_in.site import SITES, TABLES, Site, UnknownSiteError

Handler = Callable[[argparse.Namespace], None]


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
            "INSERT INTO `tabUser` (name, creation, modified, email, first_name) "
            "VALUES ('Administrator', NOW(), NOW(), 'admin@example.com', 'Administrator'), "
            "('Guest', NOW(), NOW(), 'guest@example.com', 'Guest')"
        )
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
    site, function = Site.named(options.site), options.function
    arguments = ast.literal_eval(options.kwargs)
    with site.database() as cursor:
        strike("execute", function)
        if function == "frappe.get_installed_apps":
            print(json.dumps(sites.installed_apps(cursor)))
        elif function == "frappe.ping":
            print(json.dumps("pong"))
        elif function == "lms_app.setup.personalise" and "lms_app" in sites.installed_apps(cursor):
            sites.set_single(cursor, "Academy Settings", "school_name", arguments["title"])
            sites.set_single(cursor, "Website Settings", "app_name", arguments["title"])
            sites.set_single(cursor, "Website Settings", "home_page", "learn")
            if email := arguments.get("admin_email"):
                cursor.execute("UPDATE `tabUser` SET email = %s WHERE name = 'Administrator'", (email,))
            print(json.dumps({"school_name": arguments["title"]}))
        else:
            raise CommandError(f"the stand-in knows no function {function} on {site.name}")


def enable_scheduler(options: argparse.Namespace) -> None:
    """Note that the site's jobs may run."""
    strike("enable-scheduler", options.site)
    with Site.named(options.site).database() as cursor:
        sites.set_single(cursor, "System Settings", "enable_scheduler", "1")
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
        signal.pause()


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
