"""The break-glass kit: what opens every backup when nothing else is left, on one page to be printed."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from schoolctl.errors import DeclarationError
from schoolctl.schools.project import Project
from schoolctl.schools.vault import CREDENTIALS, KEY, Vault


@dataclass(frozen=True, slots=True)
class Kit:
    """What the page says. key: encrypts every set. password: opens vault.yml. targets: by name, address and login."""

    inventory: str
    server: str
    key: str
    password: str
    targets: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, project: Project) -> "Kit":
        """Gather it from the inventory alone: the server may be gone. Raises DeclarationError if there is no key."""
        vault = Vault.of(project.inventory)
        values = vault.values()
        if not values.get(KEY):
            raise DeclarationError(
                "There is no break-glass kit",
                because=f"the vault of `{project.env}` holds no {KEY}",
                hint="make it with `schoolctl backup-targets init`",
            )
        platform = project.platform
        logins = values.get(CREDENTIALS) or {}
        targets = {
            name: {"repository": target.repository, "login": dict(logins.get(name) or {})}
            for name, target in platform.backups.placed(platform.root).items()
        }
        host = project.host
        return cls(project.env, f"{host.name} ({host.address})", str(values[KEY]), vault.password(), targets)

    def page(self, today: str) -> str:
        """Return the page. today: the day (ISO) that stands on it."""
        lines = [
            f"BREAK-GLASS KIT of `{self.inventory}`, {self.server}. {today}",
            "",
            "Whoever holds this page can read every backup of every school. Put it into a safe, keep no other copy.",
            "",
            f"Key of the backups:     {self.key}",
            f"Password of vault.yml:  {self.password}",
            "",
            "With Schoolctl: docs/guides/disaster.md. Without it, on any machine with restic, which asks for the key:",
        ]
        for name, target in self.targets.items():
            restic = f"restic --repo {shlex.quote(target['repository'])}"
            lines += ["", f"Target `{name}`" + (", on the server itself" if target["repository"][0] == "/" else "")]
            # restic reads these from its environment; in a file they are in no shell's history.
            lines += [f"  {variable}={value}" for variable, value in sorted(target["login"].items())]
            if target["repository"].startswith("sftp:"):
                lines.append("  (SFTP: the owner of that server has to let in a key of the machine that you use)")
            lines += [
                f"  {restic} snapshots",
                f"  {restic} restore latest --tag kind=inventory --target inventory",
                f"  {restic} restore latest --tag school=SLUG --target SLUG",
            ]
        lines += [
            "",
            "A school's folder then holds manifest.json, its database as SQL (database/: _head, tables, _rest), what",
            "people uploaded, and site_config.json with the key that decrypts the passwords stored in it.",
        ]
        return "\n".join(lines)
