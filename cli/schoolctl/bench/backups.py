"""What the server's own program for backups is told: where everything lies, and how other programs are spoken to."""

from collections.abc import Collection, Mapping
from typing import Any

from schoolctl.bench import database, redis

# For root alone: the key, and what targets are logged in to with.
FOLDER = "/etc/schools/backup"
SSH_CONFIG = f"{FOLDER}/ssh/config"
PUBLIC_KEY = f"{FOLDER}/ssh/id_ed25519.pub"

_WEB = "schools-web"
# As templates/mariadb/schools.cnf.j2 calls the database's log.
_LOG = "schools-bin"
# Logs that every target has stay on the server for so long: what is asked for most is of the last days.
_LOG_DAYS = 7


def settings(platform: Mapping[str, Any], credentials: Collection[str]) -> dict[str, Any]:
    """Return the program's settings. platform: as templates see it. credentials: the targets that have some."""
    backups = platform["backups"]
    words: dict[str, Any] = {name: _plain(value) for name, value in database.BACKUP.items()}
    if backups["point_in_time"]:
        words["logs"] = {"folder": f"{platform['root']}/db", "base": _LOG, "keep_days": _LOG_DAYS}
    return {
        "root": platform["root"],
        "restic": "/usr/local/lib/schools/restic",
        "cache": "/var/cache/schools/restic",
        "key_file": f"{FOLDER}/key",
        "targets": {
            name: {
                "repository": target["repository"],
                "append_only": target["append_only"],
                "upload_kib": target["upload_kib"],
                "download_kib": target["download_kib"],
                "environment_file": f"{FOLDER}/credentials/{name}" if name in credentials else "",
                "ssh_config": SSH_CONFIG if target["ssh"] else "",
            }
            for name, target in backups["targets"].items()
        },
        "keep": dict(backups["keep"]),
        "stale_hours": backups["stale_hours"],
        "drill_days": backups["drill_days"],
        "alarm": {
            "command": list(backups["alarm"]["command"]),
            "webhook_file": f"{FOLDER}/webhook" if backups["alarm"]["webhook"] else "",
        },
        "frappe_uid": platform["frappe_uid"],
        "database": words,
        "redis": redis.SCRIPTS,
        "web": {"argv": ["docker", "exec", "-i", _WEB, "python3", "-"]},
        "containers": {"web": _WEB},
    }


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
