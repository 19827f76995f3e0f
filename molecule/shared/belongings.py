"""What a school has that must never be lost: pupils who can log in, files, and a password that it stores."""

import hashlib
import http.client
import json
import re
import secrets
import urllib.parse
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from cryptography.fernet import Fernet
from journey import Journey

PUPILS = 3
FILES = "/home/frappe/frappe-bench/sites"
# Where the school keeps the password of its mail account, as Frappe does.
STORED = ("Email Account", "Pupils", "password")


@dataclass(frozen=True)
class Belongings:
    """What was put into a school.

    passwords: of each pupil, by the address that logs in. files: by path below the site's folder, the SHA-256.
    stored: a password that the school keeps encrypted.
    """

    slug: str
    host: str
    passwords: Mapping[str, str]
    files: Mapping[str, str]
    stored: str

    @property
    def secrets(self) -> list[str]:
        """What nobody may read anywhere."""
        return [*self.passwords.values(), self.stored]


def put_in(lab: Journey, slug: str, host: str) -> Belongings:
    """Give an open school pupils, files and a stored password, each of which no other school has."""
    mark = secrets.token_hex(4)
    passwords = {}
    for number in range(PUPILS):
        address = f"pupil-{number}-{mark}@{host}"
        _make_pupil(lab, slug, address)
        passwords[address] = str(lab.json("reset-password", slug, "--user", address)["password"])
    stored = f"stored-{secrets.token_urlsafe(18)}"
    token = Fernet(str(site_config(lab, slug)["encryption_key"]).encode()).encrypt(stored.encode()).decode()
    sql(lab, slug, f"REPLACE INTO `__Auth` VALUES ({', '.join(map(repr, (*STORED, token)))}, 1);")  # noqa: S608
    files = {}
    for path in (f"public/files/poster-{mark}.txt", f"private/files/report-{mark}.txt"):
        text = f"{slug}: {secrets.token_hex(4000)}\n"
        lab.on_server("docker", "exec", "-i", "schools-tools", "tee", f"{FILES}/{slug}/{path}", stdin=text)
        files[path] = hashlib.sha256(text.encode()).hexdigest()
    return Belongings(slug, host, passwords, files, stored)


def expect_all(lab: Journey, belongings: Belongings) -> None:
    """See that everything is there, that the password decrypts, and that the pupils can log in."""
    slug, host = belongings.slug, belongings.host
    for path, digest in belongings.files.items():
        assert lab.on_server("sha256sum", f"/srv/schools/sites/{slug}/{path}").split()[0] == digest
    [public] = (path for path in belongings.files if path.startswith("public/"))
    page = lab.visit(host, public.removeprefix("public"))
    assert page is not None
    assert hashlib.sha256(page.body.encode()).hexdigest() == belongings.files[public]
    assert stored_password(lab, slug) == belongings.stored
    for address, password in belongings.passwords.items():
        assert log_in(lab, host, address, password) == 200, address
    assert log_in(lab, host, next(iter(belongings.passwords)), "not their password") == 401


def stored_password(lab: Journey, slug: str) -> str:
    """Return the password that the school keeps, decrypted by the school's own key, and by Frappe where it runs."""
    where = " AND ".join(
        f"`{name}` = {value!r}" for name, value in zip(("doctype", "name", "fieldname"), STORED, strict=True)
    )
    [token] = sql(lab, slug, f"SELECT `password` FROM `__Auth` WHERE {where} AND encrypted = 1;")  # noqa: S608
    opened = Fernet(str(site_config(lab, slug)["encryption_key"]).encode()).decrypt(token.encode()).decode()
    if lab.is_real:
        named = dict(zip(("doctype", "name", "fieldname"), STORED, strict=True))
        assert execute(lab, slug, "frappe.utils.password.get_decrypted_password", **named) == opened
    return opened


def log_in(lab: Journey, host: str, user: str, password: str) -> int:
    """Log in through the edge as a browser does; return the status."""
    with closing(http.client.HTTPConnection("127.0.0.1", lab.port, timeout=60)) as connection:
        form = urllib.parse.urlencode({"usr": user, "pwd": password})
        headers = {"Host": f"{host}:{lab.port}", "Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", "/api/method/login", form, headers)
        return connection.getresponse().status


def execute(lab: Journey, slug: str, function: str, **keywords: object) -> Any:
    """Call a function of the bench on a site and return what it gives back."""
    said = lab.schoolctl("bench", slug, "--", "execute", function, "--kwargs", repr(keywords)).stdout
    return json.loads(said.splitlines()[-1])


def site_config(lab: Journey, slug: str) -> dict[str, Any]:
    """Return a site's settings, with its secrets."""
    config: dict[str, Any] = json.loads(lab.on_server("cat", f"/srv/schools/sites/{slug}/site_config.json"))
    return config


def sql(lab: Journey, slug: str, statement: str) -> list[str]:
    """Run a statement in the database that a school has now."""
    return lab.sql(str(site_config(lab, slug)["db_name"]), statement)


def checksums(lab: Journey, slug: str, *tables: str) -> list[str]:
    """Return the checksum of each table, or of some; without the database's name, which is another after a restore."""
    every = sql(lab, slug, "SHOW FULL TABLES WHERE Table_type = 'BASE TABLE';")
    names = ", ".join(f"`{name}`" for name in tables or [line.partition("\t")[0] for line in every])
    return [re.sub(r"^sch[0-9a-f]+\.", "", line) for line in sql(lab, slug, f"CHECKSUM TABLE {names};")]


def _make_pupil(lab: Journey, slug: str, address: str) -> None:
    if lab.is_real:
        document = {"doctype": "User", "email": address, "first_name": "Pupil", "send_welcome_email": 0}
        execute(lab, slug, "frappe.client.insert", doc=document)
        return
    values = f"'{address}', NOW(), NOW(), '{address}', 'Pupil', 'Website User'"
    columns = "name, creation, modified, email, first_name, user_type"
    sql(lab, slug, f"INSERT INTO `tabUser` ({columns}) VALUES ({values});")  # noqa: S608
