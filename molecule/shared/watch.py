"""Watch a lab's server for secrets that show: in arguments of processes, in journals and logs, in `docker inspect`.

Processes come and go, so they are looked at fifty times a second.
"""

import json
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from journey import Journey

HZ = 50
# On a machine that is busy a look may be late, but this many in a second there are on the whole.
LEAST_HZ = 20
_FOUND, _END = "/run/watch.json", "/run/watch.end"
_LOOK = f"""
import json, os, time
began, looks, seen = time.monotonic(), 0, set()
while not os.path.exists({_END!r}):
    next_look = began + (looks + 1) / {HZ}
    for number in os.listdir("/proc"):
        if number.isdigit():
            try:
                with open(f"/proc/{{number}}/cmdline", "rb") as file:
                    seen.add(file.read().replace(b"\\0", b" ").decode(errors="replace"))
            except OSError:
                pass
    looks += 1
    time.sleep(max(0, next_look - time.monotonic()))
with open({_FOUND + ".new"!r}, "w") as file:
    json.dump({{"looks": looks, "seconds": time.monotonic() - began, "seen": sorted(seen)}}, file)
os.rename({_FOUND + ".new"!r}, {_FOUND!r})
"""
_WRITTEN = """
journalctl --no-pager --output=export --since "@$1"
for name in $(docker ps --all --format '{{.Names}}'); do
    docker logs --since "$1" "$name" 2>&1
    docker inspect "$name"
done
# Not all of it is text: the account of which programs ran is not. Secrets are.
find /var/log /srv/schools/logs -type f ! -path '/var/log/journal/*' -newermt "@$1" -exec cat {} + 2>/dev/null |
    LC_ALL=C tr --delete '\\200-\\377' || true
cat /srv/schools/audit.log
cat /srv/schools/backups/standing.json 2>/dev/null || true
"""


@dataclass
class Watch:
    """What was to be seen while something happened.

    arguments: of every process, each line once. written: what journals, logs and `docker inspect` hold of that time.
    """

    arguments: list[str] = field(default_factory=list)
    written: str = ""
    looks: int = 0
    seconds: float = 0.0

    def showing(self, secrets: Iterable[str]) -> list[str]:
        """Return where secrets show: never the secret itself, because a test prints what it got."""
        return [
            place
            for secret in secrets
            for place, text in (("arguments", "\n".join(self.arguments)), ("written", self.written))
            if secret in text
        ]


@contextmanager
def watched(lab: Journey) -> Iterator[Watch]:
    """Look at everything for as long as the block runs; what was found is there when it ends."""
    watch = Watch()
    began = lab.on_server("date", "+%s").strip()
    lab.on_server("rm", "-f", _FOUND, _END)
    argv = ["docker", "exec", "--detach", lab.container, "nice", "--adjustment=-10", "python3", "-c", _LOOK]
    subprocess.run(argv, check=True, capture_output=True)
    try:
        yield watch
    finally:
        lab.on_server("touch", _END)
    deadline = time.monotonic() + 10
    while lab.on_server("sh", "-c", f"cat {_FOUND} 2>/dev/null || true") == "":
        assert time.monotonic() < deadline, "the watch did not end"
        time.sleep(0.1)
    found = json.loads(lab.on_server("cat", _FOUND))
    watch.arguments, watch.looks, watch.seconds = found["seen"], found["looks"], found["seconds"]
    watch.written = lab.on_server("sh", "-c", _WRITTEN, "sh", began)
