"""The vault: what of an inventory is secret, in vault.yml under Ansible Vault, and the file that opens it."""

import os
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from schoolctl.errors import DeclarationError

FILE_NAME = "vault.yml"
# Beside hosts.yml; git ignores it.
PASSWORD_NAME = "vault-password"  # noqa: S105 - the name of a file
# Beside it, since somebody printed the kit with the key that there is; it belongs to the inventory.
KIT_SHOWN_NAME = "kit-shown"
VARIABLE = "ANSIBLE_VAULT_PASSWORD_FILE"

# What the vault holds for backups: the key that encrypts every set, and what targets are logged in to with.
KEY = "backup_key"
CREDENTIALS = "backup_credentials"

_HEADER = "$ANSIBLE_VAULT;"
# Nothing that is taken for something else on paper: 200 bits in eight groups of five.
_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
_GROUPS, _LENGTH = 8, 5
_ENTRY = re.compile(rf"^{KEY}\s*:", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Vault:
    """The vault of one inventory: the file, and the one that opens it, None if nobody has named any."""

    path: Path
    password_file: Path | None

    @classmethod
    def of(cls, inventory: Path) -> "Vault":
        """Return the vault of an inventory; the password file of the environment wins over the inventory's own."""
        return cls(inventory / "group_vars" / "all" / FILE_NAME, password_file(inventory))

    def values(self) -> dict[str, Any]:
        """Return what it holds; nothing if there is no file. Raises DeclarationError if it cannot be opened or read."""
        values = _mapping(self.text())
        if values is None:
            raise DeclarationError(f"Could not read {FILE_NAME}", because="it holds no mapping of names to secrets")
        return values

    def text(self) -> str:
        """Return its words, opened; raises DeclarationError if it cannot be."""
        if not self.path.exists():
            return ""
        text = self.path.read_text(encoding="utf-8")
        if not text.startswith(_HEADER):
            return text
        from ansible.errors import AnsibleError  # type: ignore[import-untyped]

        try:
            return str(self._library().decrypt(text).decode())
        except (AnsibleError, UnicodeDecodeError) as fault:
            raise DeclarationError(
                f"Could not open {FILE_NAME}",
                because=f"{self.password_file} does not open it: {str(fault).splitlines()[0]}",
                hint=f"name the file with its password in {VARIABLE}",
            ) from None

    def password(self) -> str:
        """Return the password that opens it; raises DeclarationError if no file with it is known."""
        return str(self._secret().bytes.decode())

    def add_key(self) -> bool:
        """Add a random backup key, unless there is one; say whether it is new. Its other words stay as they are.

        Raises DeclarationError if the vault cannot be opened.
        """
        text = self.text()
        if self.values().get(KEY):
            return False
        if _ENTRY.search(text):
            raise DeclarationError(
                f"Could not add a backup key to {FILE_NAME}",
                because=f"it names {KEY}, but without a value",
                hint=f"take the line away with `ansible-vault edit {self.path}`, then run this again",
            )
        if not self.values() and any(line.strip() and not line.startswith("#") for line in text.splitlines()):
            text = ""  # what says in so many words that there is nothing, such as {}, lets nothing follow
        elif text.lstrip().startswith("{"):
            raise DeclarationError(
                f"Could not add a backup key to {FILE_NAME}",
                because="it holds its names within braces",
                hint=f"write them one a line with `ansible-vault edit {self.path}`, then run this again",
            )
        self._put(text + ("" if text.endswith("\n") or not text else "\n") + key_entry())
        return True

    def _put(self, text: str) -> None:
        """Put other words in the file's place, encrypted."""
        sealed = self._library().encrypt(text).decode()
        candidate = self.path.with_name(f".{self.path.name}.new")
        candidate.touch(mode=0o600)
        candidate.write_text(sealed, encoding="utf-8")
        candidate.replace(self.path)

    def _library(self) -> Any:
        secret = self._secret()
        from ansible.parsing.vault import VaultLib  # type: ignore[import-untyped]

        return VaultLib([("default", secret)])

    def _secret(self) -> Any:
        if self.password_file is None:
            raise DeclarationError(
                f"Could not open {FILE_NAME}",
                because=f"{self.path} is encrypted, and no file with its password is known",
                hint=f"name the file in {VARIABLE}, or put it at {self.path.parents[2] / PASSWORD_NAME} with mode 600",
            )
        # Here, because Ansible takes half a second to load.
        from ansible.errors import AnsibleError
        from ansible.parsing.dataloader import DataLoader  # type: ignore[import-untyped]
        from ansible.parsing.vault import get_file_vault_secret

        try:
            secret = get_file_vault_secret(str(self.password_file), loader=DataLoader())
            secret.load()
        except AnsibleError as fault:
            raise DeclarationError(
                f"Could not read the password of {FILE_NAME}",
                because=str(fault).splitlines()[0],
                hint=f"name the file with its password in {VARIABLE}",
            ) from None
        return secret


def password_file(inventory: Path) -> Path | None:
    """Return the file that opens the vault of an inventory, or None: the environment's, or the inventory's own."""
    if named := os.environ.get(VARIABLE):
        return Path(named).expanduser()
    own = inventory / PASSWORD_NAME
    return own if own.exists() else None


def make(inventory: Path) -> bool:
    """Make what is missing of an inventory's vault: password file, vault, backup key; say whether anything was.

    Raises DeclarationError if there is a vault that cannot be opened.
    """
    vault = Vault.of(inventory)
    if vault.password_file is None and not _is_sealed(vault.path):
        own = inventory / PASSWORD_NAME
        with os.fdopen(os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(new_password() + "\n")
        vault = Vault(vault.path, own)
    is_new = vault.add_key()
    if is_new:
        # The kit that there may be opens nothing that this one encrypts.
        (inventory / KIT_SHOWN_NAME).unlink(missing_ok=True)
    return is_new


def note_kit_shown(inventory: Path, today: str) -> None:
    """Note that the kit was shown on a day (ISO); where the inventory cannot be written to, nobody knows of it."""
    with suppress(OSError):
        words = f"The break-glass kit was shown on {today}; `schoolctl doctor` reminds nobody of it any more.\n"
        (inventory / KIT_SHOWN_NAME).write_text(words, encoding="utf-8")


def lacks_kit(inventory: Path) -> bool:
    """Say whether there is a vault whose kit nobody was shown."""
    return Vault.of(inventory).path.exists() and not (inventory / KIT_SHOWN_NAME).exists()


def new_password() -> str:
    """Return a random password for a vault."""
    return secrets.token_urlsafe(32)


def key_entry() -> str:
    """Return the line of a vault that holds a new backup key: letters and digits that survive a print-out."""
    groups = ("".join(secrets.choice(_LETTERS) for _ in range(_LENGTH)) for _ in range(_GROUPS))
    return (
        "# Encrypts every backup; without it none can be read. `schoolctl backup-targets kit` prints it.\n"
        f"{KEY}: {'-'.join(groups)}\n"
    )


def _is_sealed(path: Path) -> bool:
    return path.exists() and path.read_text(encoding="utf-8").startswith(_HEADER)


def _mapping(text: str) -> dict[str, Any] | None:
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as fault:
        # Not its own words: they quote what stands there.
        mark = getattr(fault, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise DeclarationError(f"Could not read {FILE_NAME}", because=f"it is not valid YAML{line}") from None
    if values is None:
        return {}
    return values if isinstance(values, dict) else None
