"""Look through golden sites, as they lie packed on the server, for what must not be in a copy of them."""

import getpass
import json
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field

from journey import ROOT, Journey
from twins import HISTORIES

from schoolctl.app import main
from schoolctl.context import Context
from schoolctl.remote.source import agent_source
from schoolctl.transport.ssh import SshTransport

# Tables that are empty in a golden site: what lets somebody in, and what happened on it.
EMPTY = {"__Auth", *HISTORIES}
# Forms of secrets, whosever they are: hashed passwords, what a site's key encrypts, keys, tokens of the web.
FORMS = (
    r"\$(pbkdf2-sha\d+|argon2\w*|scrypt|2[aby])\$",
    r"gAAAAA[A-Za-z0-9_-]{20}",
    r"-----BEGIN [A-Z ]*PRIVATE KEY",
    r"eyJ[A-Za-z0-9_-]{10,}\.eyJ",
)
# Addresses that nobody has. Any other has to stand in the apps' code.
NOBODYS = (".example", "@example.com", ".invalid")
# In every golden site; what does not find this finds nothing.
SURE = "Administrator"

_SEARCH = r"""
import collections, gzip, json, pathlib, re, sys
asked = json.load(sys.stdin)
forms = [re.compile(form) for form in asked["forms"]]
host, user = re.compile(r"@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"), re.compile(r"[A-Za-z0-9_.+-]+$")
found = {"profiles": [], "words": [], "forms": [], "addresses": [], "filled": []}
for manifest in sorted(pathlib.Path("/srv/schools/golden").glob("*/*/manifest.json")):
    found["profiles"].append(manifest.parent.name)
    for part in sorted(manifest.parent.glob("part-*.sql.gz")):
        with gzip.open(part, "rt", encoding="utf-8", errors="replace") as dump:
            # What a dump says of itself, such as which database it is of, gets into no copy. In values no line begins.
            text = "".join(line for line in dump if not line.startswith("--"))
        found["words"] += [word for word in asked["words"] if word in text]
        found["forms"] += [match[0] for form in forms for match in form.finditer(text)]
        for match in host.finditer(text):
            if name := user.search(text[max(0, match.start() - 64) : match.start()]):
                found["addresses"].append(name[0] + match[0])
        found["filled"] += re.findall(r"^INSERT INTO `([^`]+)`", text, re.MULTILINE)
print(json.dumps({key: sorted(set(values)) for key, values in found.items()}))
"""


class Overhearing(SshTransport):
    """Reach the real server, and note the secrets and names of each site that a command makes there."""

    def __init__(self, lab: Journey) -> None:
        super().__init__(lab.project.host, agent_source())
        self.words: set[str] = set()

    def call(self, operation: str, **arguments: object) -> object:
        """Note what is written into configurations of sites, and typed as passwords."""
        path, argv = str(arguments.get("path", "")), arguments.get("argv")
        if operation == "write" and path.endswith("/site_config.json"):
            self.words |= {path.split("/")[-2], *(v for v in json.loads(str(arguments["text"])).values() if is_own(v))}
        if operation == "run" and isinstance(argv, list) and "new-site" in argv:
            self.words |= set(str(arguments["stdin"]).split())
        return super().call(operation, **arguments)


def is_own(value: object) -> bool:
    """Say whether a value of a site's configuration is one that no other site has."""
    return isinstance(value, str) and value != "mariadb"


def make_golden_sites(lab: Journey) -> set[str]:
    """Make the golden sites, and return the secrets and names of the sites that they were made from."""
    transport = Overhearing(lab)
    assert main(["--env", lab.name, "golden"], Context(start=ROOT, transport=transport)) == 0
    return transport.words


def names_of_where_they_were_made(lab: Journey) -> set[str]:
    """Return the names of this machine, of its user, of the server and its containers, and of the schools."""
    here, user = socket.gethostname(), getpass.getuser()
    names = {f"{user}@{here}", "golden.site", lab.on_server("hostname").strip()}
    names |= set(lab.on_server("sh", "-c", "docker inspect --format '{{.Config.Hostname}}' $(docker ps -q)").split())
    for school in lab.project.schools().values():
        names |= {school.domain, *school.aliases, school.title, school.slug, school.admin_email or school.domain}
    # A short one is a word like any other.
    return names | ({here} if len(here) >= 8 and here != "localhost" else set())


@dataclass(frozen=True)
class Found:
    """What golden sites hold: each once, in order.

    words: of those that were looked for. forms: texts that have the form of a secret. addresses: of e-mail. filled:
    tables that have rows.
    """

    profiles: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    forms: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    filled: list[str] = field(default_factory=list)


def unknown_to_the_apps(lab: Journey, addresses: Iterable[str]) -> list[str]:
    """Return those addresses that neither belong to nobody nor stand in the apps' code, and so are somebody's."""
    left = {address for address in addresses if not address.endswith(NOBODYS)}
    if left:
        argv = ("sh", "-c", "grep --recursive --no-filename --only-matching -IFf - apps || true")
        left -= set(lab.on_server("docker", "exec", "-i", "schools-tools", *argv, stdin="\n".join(left)).split())
    return sorted(left)


def searched(lab: Journey, words: Iterable[str]) -> Found:
    """Unpack every part of every golden site on the server, and return what was found there."""
    asked = json.dumps({"words": sorted(words), "forms": FORMS})
    return Found(**json.loads(lab.on_server("python3", "-c", _SEARCH, stdin=asked)))
