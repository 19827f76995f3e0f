"""Keep what Jinja makes of templates for the requests that a process answers later.

Frappe has an environment for each request, so Jinja would compile a page, and all that it includes, each time.
"""

from types import CodeType

import frappe
from jinja2 import Environment
from jinja2.bccache import Bucket, BytecodeCache


class CompiledTemplates(BytecodeCache):
    """What Jinja made of templates, each as long as it is the same."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[str, CodeType]] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Fill the bucket, if its template is still what was compiled."""
        source, code = self._kept.get(bucket.key, ("", None))
        if source == bucket.checksum:
            bucket.code = code

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what is in the bucket."""
        if bucket.code is not None:
            self._kept[bucket.key] = bucket.checksum, bucket.code


TEMPLATES = CompiledTemplates()


def environment() -> Environment:
    """Return this request's environment, which takes templates that are compiled already."""
    own: Environment = frappe.get_jenv()
    own.bytecode_cache = TEMPLATES
    return own
