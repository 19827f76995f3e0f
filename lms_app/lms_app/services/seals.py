"""Seals: what a certificate says cannot be changed without the school's key, and what a certificate is worth today.

Pure: nothing here needs a site.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import date
from typing import Any

VALID, EXPIRED, REVOKED, UNKNOWN = "valid", "expired", "revoked", "unknown"

# What the key is used for: a seal for anything else would never fit a certificate.
_PURPOSE = b"academy certificate\n"


def canonical(snapshot: Mapping[str, Any]) -> bytes:
    """Return a snapshot as bytes that are the same whatever order its keys are in, and however it was written down."""
    return json.dumps(snapshot, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def seal(key: bytes, snapshot: Mapping[str, Any]) -> str:
    """Return the seal of a snapshot: HMAC-SHA256, as 64 hexadecimal digits."""
    return hmac.new(key, _PURPOSE + canonical(snapshot), hashlib.sha256).hexdigest()


def holds(key: bytes, snapshot: Mapping[str, Any], sealed: str) -> bool:
    """Say whether a seal is that of a snapshot; it takes as long for every answer."""
    return hmac.compare_digest(seal(key, snapshot).encode(), sealed.encode())


def standing(expires_on: str, today: date, *, is_revoked: bool) -> str:
    """Return what a certificate whose seal holds is worth: VALID, EXPIRED or REVOKED.

    expires_on: the last day on which it is valid (ISO date), or nothing.
    """
    if is_revoked:
        return REVOKED
    return EXPIRED if expires_on and date.fromisoformat(expires_on) < today else VALID
