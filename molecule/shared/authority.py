"""A certificate authority and the name servers of its world, run on a lab's server: Pebble and BIND.

Pebble refuses one in twenty requests at random, as it does by itself. Every name of this world leads to the server, but
for a few.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from journey import Journey

FOLDER = "/etc/lab-authority"
# Names of the world: one that leads where nobody answers, one that leads nowhere, one that is never vouched for.
ASTRAY, NOWHERE, REFUSED = "astray.example", "nowhere.example", "refused.example"
# A zone whose records certbot may change, and what it shows for it.
ZONE, KEY_NAME, KEY = "schools.test-zone.org", "certbot", "bGFiLW9ubHktbm90LWEtc2VjcmV0LWtleQ=="
CREDENTIALS = "\n".join(
    [
        "dns_rfc2136_server = 127.0.0.1",
        f"dns_rfc2136_name = {KEY_NAME}",
        f"dns_rfc2136_secret = {KEY}",
        "dns_rfc2136_algorithm = HMAC-SHA512",
    ]
)
_HEAD = "$TTL 1\n@ SOA localhost. root.localhost. 1 60 60 60 1\n@ NS localhost.\n"
_NAMED = f"""
options {{ directory "/var/cache/bind"; listen-on {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion no;
  dnssec-validation no; notify no; }};
key "{KEY_NAME}" {{ algorithm hmac-sha512; secret "{KEY}"; }};
zone "." {{ type master; file "/var/cache/bind/world"; }};
zone "{ZONE}" {{ type master; file "/var/cache/bind/schools"; allow-update {{ key "{KEY_NAME}"; }}; }};
"""
_PEBBLE = {
    "listenAddress": "127.0.0.1:14000",
    "managementListenAddress": "127.0.0.1:15000",
    "certificate": f"{FOLDER}/api.pem",
    "privateKey": f"{FOLDER}/api.key",
    "httpPort": 80,
    "tlsPort": 443,
    "ocspResponderURL": "",
    "externalAccountBindingRequired": False,
    "domainBlocklist": [REFUSED],
}
_INSTALL = f"""
set -e
# What an earlier authority gave is worth nothing to this one.
rm -rf /srv/schools/tls/certbot /srv/schools/tls/ledger.json
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq && apt-get install -qq --yes --no-install-recommends apache2-utils bind9 curl pebble
mkdir -p {FOLDER}
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=127.0.0.1 \\
    -addext subjectAltName=IP:127.0.0.1 -keyout {FOLDER}/api.key -out {FOLDER}/api.pem
cp {FOLDER}/api.pem /usr/local/share/ca-certificates/lab-authority-api.crt
chown bind: /var/cache/bind/world /var/cache/bind/schools
systemctl restart named
cp /etc/resolv.conf {FOLDER}/resolv.conf
echo nameserver 127.0.0.1 > /etc/resolv.conf
systemd-run --quiet --unit=lab-authority --setenv=PEBBLE_VA_NOSLEEP=1 --setenv=PEBBLE_WFE_NONCEREJECT=5 \\
    pebble -config {FOLDER}/pebble.json -dnsserver 127.0.0.1:53
update-ca-certificates >/dev/null
for _ in $(seq 50); do
    curl --silent --fail https://127.0.0.1:15000/roots/0 --output {FOLDER}/root.pem && break
    sleep 0.2
done
cp {FOLDER}/root.pem /usr/local/share/ca-certificates/lab-authority.crt
update-ca-certificates >/dev/null
"""
_REMOVE = f"""
systemctl stop lab-authority named
cat {FOLDER}/resolv.conf > /etc/resolv.conf
rm -r {FOLDER} /usr/local/share/ca-certificates/lab-authority.crt /usr/local/share/ca-certificates/lab-authority-api.crt
update-ca-certificates --fresh >/dev/null
"""


@contextmanager
def authority(lab: Journey, folder: Path) -> Iterator[Path]:
    """Run both on the lab's server, which trusts them meanwhile; yield the authority's root, as a file in a folder."""
    address = lab.on_server("hostname", "-I").split()[0]
    everywhere = f"@ A {address}\n* A {address}\n"
    world = f"{_HEAD}{everywhere}{ASTRAY}. A 240.0.0.1\nsomewhere.example. A {address}\n"
    files = {
        f"{FOLDER}/pebble.json": json.dumps({"pebble": _PEBBLE}),
        "/etc/bind/named.conf": _NAMED,
        "/var/cache/bind/world": world + f"{REFUSED}. A {address}\n",
        "/var/cache/bind/schools": _HEAD + everywhere,
    }
    for path, text in files.items():
        lab.on_server("mkdir", "-p", str(Path(path).parent))
        lab.on_server("tee", path, stdin=text)
    # The package brings settings of its own, which come first and would be asked about.
    lab.on_server("bash", "-c", _INSTALL.replace("--yes", "--yes -o Dpkg::Options::=--force-confold"))
    root = folder / "root.pem"
    root.write_text(lab.on_server("cat", f"{FOLDER}/root.pem"))
    try:
        yield root
    finally:
        lab.on_server("sh", "-c", _REMOVE)
