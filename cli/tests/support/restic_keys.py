"""Keys of restic's repositories that open at once: half a second for each call is what makes guessing slow, and tests.

The format is the one of https://restic.readthedocs.io/en/stable/100_references.html: a file of a key holds the master
key, encrypted by AES-256-CTR and sealed by Poly1305-AES, with a key that scrypt makes of the password.
"""

import base64
import hashlib
import json
import os
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.poly1305 import Poly1305

_BLOCK = 16
_CHEAP = {"N": 2, "r": 1, "p": 1}


def cheapen(repository: Path, password: str) -> None:
    """Let every key of a repository that this password opens be opened without any work."""
    for path in list((repository / "keys").iterdir()):
        kept = json.loads(path.read_bytes())
        master = _opened(_derived(password, kept), base64.b64decode(kept["data"]))
        cheap = {**kept, **_CHEAP}
        cheap["data"] = base64.b64encode(_sealed(_derived(password, cheap), master)).decode()
        text = json.dumps(cheap).encode()
        path.unlink()
        # A file's name is the sum of what it holds.
        (path.parent / hashlib.sha256(text).hexdigest()).write_bytes(text)


def _derived(password: str, kept: dict[str, str | int]) -> bytes:
    cost, block, lanes = (int(kept[name]) for name in ("N", "r", "p"))
    salt = base64.b64decode(str(kept["salt"]))
    return hashlib.scrypt(password.encode(), salt=salt, n=cost, r=block, p=lanes, maxmem=2**28, dklen=64)


def _opened(key: bytes, sealed: bytes) -> bytes:
    nonce, text, mac = sealed[:_BLOCK], sealed[_BLOCK:-_BLOCK], sealed[-_BLOCK:]
    Poly1305.verify_tag(_one_time(key, nonce), text, mac)
    return _counted(key, nonce, text)


def _sealed(key: bytes, text: bytes) -> bytes:
    nonce = os.urandom(_BLOCK)
    hidden = _counted(key, nonce, text)
    return nonce + hidden + Poly1305.generate_tag(_one_time(key, nonce), hidden)


def _counted(key: bytes, nonce: bytes, text: bytes) -> bytes:
    return Cipher(algorithms.AES(key[:32]), modes.CTR(nonce)).encryptor().update(text)


def _one_time(key: bytes, nonce: bytes) -> bytes:
    # The cipher of one block alone, which is what this mode is for one block.
    block = Cipher(algorithms.AES(key[32:48]), modes.ECB()).encryptor().update(nonce)  # noqa: S305
    return key[48:64] + block
