"""Where backups lie that must outlive the lab's server: another container, with SFTP and an append-only store.

Both are made of the server's own image. The network between them is theirs alone, so that the vault keeps its address
while it is gone and when the server is another one.
"""

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import network
import yaml
from journey import Journey
from network import docker

USER, FOLDER = "keeper", "/vault/schools"
# As platform.yml and the vault of the inventory name the two targets.
OFFSITE, APPEND_ONLY = "offsite", "forever"
_PORT = 8000
_KNOWN = "/etc/ssh/vault/keeper.pub"
# Of the server: what it logs in with by SFTP it makes by itself.
_SERVERS_KEY = "/etc/schools/backup/ssh/id_ed25519.pub"
_SERVE = f"""
set -e
id {USER} >/dev/null 2>&1 || useradd --create-home --shell /usr/sbin/nologin {USER}
mkdir -p /run/sshd /etc/ssh/vault /vault/forever
install --directory --owner={USER} {FOLDER}
[ -e /etc/ssh/vault/host_key ] || ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/vault/host_key
[ -e {_KNOWN} ] || printf '%s\\n' "$KEEPER" > {_KNOWN}
printf '%s\\n' 'HostKey /etc/ssh/vault/host_key' 'AuthorizedKeysFile {_KNOWN}' \\
    'PasswordAuthentication no' 'UsePAM yes' 'Subsystem sftp internal-sftp' 'ForceCommand internal-sftp' \\
    'ChrootDirectory /vault' > /etc/ssh/vault/sshd_config
printf '%s\\n' "$STORE" | python3 /usr/local/lib/append_only.py /vault/forever {_PORT} &
exec /usr/sbin/sshd -D -e -f /etc/ssh/vault/sshd_config
"""


@dataclass(frozen=True)
class Vault:
    """A container that keeps backups.

    key: the private key of the operator. host_key: of its SFTP server, public. password: of the store that only takes.
    """

    name: str
    address: str
    key: str
    host_key: str
    password: str

    @property
    def targets(self) -> dict[str, dict[str, Any]]:
        """What platform.yml says of both."""
        return {
            OFFSITE: {"repository": f"sftp:{USER}@{self.address}:/schools", "host_key": self.host_key},
            APPEND_ONLY: {"repository": f"rest:http://{self.address}:{_PORT}/schools/", "append_only": True},
        }

    @property
    def credentials(self) -> dict[str, dict[str, str]]:
        """What the vault of the inventory says of them: for SFTP the server has a key of its own."""
        return {APPEND_ONLY: {"RESTIC_REST_USERNAME": USER, "RESTIC_REST_PASSWORD": self.password}}

    def run(self, *argv: str) -> str:
        """Run a program in it and return its stdout."""
        return docker("exec", self.name, *argv)

    def packs(self, folder: str = FOLDER) -> list[str]:
        """Return the files that hold the data of a repository, the largest first."""
        said = self.run("sh", "-c", f"find {folder}/data -type f -printf '%s %p\\n' | sort --numeric --reverse")
        return [line.partition(" ")[2] for line in said.splitlines()]

    def bytes_of(self, folder: str = FOLDER) -> int:
        """Return what lies in a folder."""
        return int(self.run("du", "--summarize", "--bytes", folder).split()[0])

    def connect(self, server: str) -> None:
        """Connect a server's container to the vault's network."""
        network.connect(self.name, server)

    def let_in(self, lab: Journey) -> None:
        """Let the lab's server in by SFTP, as the owner of a vault does when somebody shows them its public key."""
        docker("exec", "-i", self.name, "tee", "--append", _KNOWN, text=lab.on_server("cat", _SERVERS_KEY))

    @contextmanager
    def gone(self) -> Iterator[None]:
        """Take it off the world for as long as the block runs."""
        docker("kill", self.name)
        try:
            yield
        finally:
            docker("start", self.name)
            self.until_it_listens()

    def until_it_listens(self) -> None:
        """Wait until its SFTP server answers."""
        deadline = time.monotonic() + 30
        while not self.run("ss", "--listening", "--tcp", "--numeric", "--no-header", "sport = :22"):
            if time.monotonic() > deadline:
                raise AssertionError(f"the vault does not listen:\n{docker('logs', self.name)}")
            time.sleep(0.1)


@contextmanager
def vault_beside(lab: Journey, folder: Path) -> Iterator[Vault]:
    """Run a vault beside the lab's server for as long as the block runs. folder: for a key that is made."""
    image = json.loads(docker("inspect", lab.container))[0]["Config"]["Image"]
    name = f"vault-{lab.container[:12]}"
    _take_away(name)
    address = f"{network.make(name)}.10"
    key = folder / "vault_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "schools", "-f", str(key)], check=True)
    password = secrets.token_urlsafe(24)
    known = {"KEEPER": key.with_suffix(".pub").read_text().strip(), "STORE": f"{USER}:{password}"}
    words = [f"--env={variable}={value}" for variable, value in known.items()]
    try:
        docker(
            "create", "--init", "--name", name, "--network", name, "--ip", address, *words, image, "sh", "-c", _SERVE
        )
        docker("cp", str(Path(__file__).with_name("append_only.py")), f"{name}:/usr/local/lib/append_only.py")
        docker("start", name)
        vault = Vault(name, address, key.read_text(), "", password)
        vault.until_it_listens()
        host_key = " ".join(vault.run("cat", "/etc/ssh/vault/host_key.pub").split()[:2])
        vault = Vault(name, address, vault.key, host_key, password)
        vault.connect(lab.container)
        yield vault
    finally:
        network.disconnect(name, lab.container)
        _take_away(name)


def declare(lab: Journey, targets: Mapping[str, Any], credentials: Mapping[str, Any], **settings: Any) -> None:
    """Name targets in the lab's platform.yml, and in its vault what they are logged in to with."""
    place = lab.project.platform_file
    content = yaml.safe_load(place.read_text())
    backups = content["platform"].setdefault("backups", {})
    backups |= settings
    backups["targets"] = {**backups.get("targets", {}), **targets}
    place.write_text(yaml.safe_dump(content, sort_keys=False))
    write_secrets(lab, {**secrets_of(lab), "backup_credentials": dict(credentials)})


def secrets_of(lab: Journey) -> dict[str, Any]:
    """Return what the vault of the lab's inventory holds."""
    opened: dict[str, Any] = yaml.safe_load(_ansible_vault(lab, "view", str(_vault_file(lab)))) or {}
    return opened


def write_secrets(lab: Journey, content: Mapping[str, Any]) -> None:
    """Write the vault of the lab's inventory anew."""
    _ansible_vault(lab, "encrypt", "--output", str(_vault_file(lab)), "-", text=yaml.safe_dump(dict(content)))


def _vault_file(lab: Journey) -> Path:
    return lab.project.platform_file.with_name("vault.yml")


def _ansible_vault(lab: Journey, verb: str, *words: str, text: str = "") -> str:
    program = str(Path(sys.executable).with_name("ansible-vault"))
    password = str(lab.project.inventory / "vault-password")
    # Molecule names another password file, for inventories that have none of their own: of two, none would encrypt.
    alone = {name: value for name, value in os.environ.items() if name != "ANSIBLE_VAULT_PASSWORD_FILE"}
    argv = [program, verb, "--vault-password-file", password, *words]
    done = subprocess.run(argv, input=text, capture_output=True, text=True, env=alone)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _take_away(name: str) -> None:
    docker("rm", "--force", "--volumes", name, check=False)
    network.remove(name)
