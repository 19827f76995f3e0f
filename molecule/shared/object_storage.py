"""An object storage beside the lab's server, which speaks S3 and looks at every signature: moto, in this process."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qsl, urlsplit

import network
from journey import Journey
from moto.core import DEFAULT_ACCOUNT_ID, enable_iam_authentication
from moto.iam import access_control
from moto.iam.models import iam_backends
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer

# As platform.yml and the vault of the inventory name the target; and where in the storage it is.
CLOUD, BUCKET, FOLDER = "cloud", "our-schools", "schools"
_USER = "keeper"


class _Request(access_control.S3IAMRequest):
    """A request whose signature is compared with what was signed: moto forgets that a slash in a query is escaped."""

    def _create_aws_request(self) -> Any:
        request = super()._create_aws_request()
        request.params = parse_qsl(urlsplit(self._path).query, keep_blank_values=True)
        return request


@dataclass(frozen=True)
class ObjectStorage:
    """An object storage with one user, who may do anything until they are let do less. It has no bucket yet."""

    address: str
    key_id: str
    secret: str

    @property
    def targets(self) -> dict[str, dict[str, Any]]:
        """What platform.yml says of it."""
        return {CLOUD: {"repository": f"s3:http://{self.address}/{BUCKET}/{FOLDER}"}}

    @property
    def credentials(self) -> dict[str, dict[str, str]]:
        """What the vault of the inventory says of it."""
        return {CLOUD: {"AWS_ACCESS_KEY_ID": self.key_id, "AWS_SECRET_ACCESS_KEY": self.secret}}

    def names(self, kind: str) -> set[str]:
        """Return the names of what it holds of a kind, such as snapshots."""
        bucket = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets[BUCKET]
        return {name for name, _ in bucket.keys.items() if name.startswith(f"{FOLDER}/{kind}/")}

    def take_nothing_away(self) -> None:
        """Let its user add and read, and remove nothing but locks."""
        self._let(
            {"NotAction": "s3:DeleteObject*", "Resource": "*"},
            {"Action": "s3:DeleteObject", "Resource": f"arn:aws:s3:::{BUCKET}/{FOLDER}/locks/*"},
        )

    def let_all(self) -> None:
        """Let its user do anything."""
        self._let({"Action": "s3:*", "Resource": "*"})

    def _let(self, *allowed: dict[str, str]) -> None:
        statements = [{"Effect": "Allow", **what} for what in allowed]
        policy = {"Version": "2012-10-17", "Statement": statements}
        _people().put_user_policy(_USER, "what-they-may", json.dumps(policy))


@contextmanager
def object_storage_beside(lab: Journey) -> Iterator[ObjectStorage]:
    """Run an object storage beside the lab's server for as long as the block runs."""
    name = f"storage-{lab.container[:12]}"
    network.disconnect(name, lab.container)
    network.remove(name)
    server = ThreadedMotoServer(f"{network.make(name)}.1", port=0, verbose=False)
    try:
        network.connect(name, lab.container)
        with _running(server), enable_iam_authentication(), patch.object(access_control, "S3IAMRequest", _Request):
            _people().create_user("us-east-1", _USER)
            key = _people().create_access_key(_USER)
            host, port = server.get_host_and_port()
            storage = ObjectStorage(f"{host}:{port}", key.access_key_id, key.secret_access_key)
            storage.let_all()
            yield storage
    finally:
        network.disconnect(name, lab.container)
        network.remove(name)


@contextmanager
def _running(server: ThreadedMotoServer) -> Iterator[None]:
    server.start()
    try:
        yield
    finally:
        server.stop()


def _people() -> Any:
    return iam_backends[DEFAULT_ACCOUNT_ID]["aws"]
