"""Load a library without another one that it takes when it is there: paramiko loads twice as fast without `invoke`."""

import sys
from importlib import import_module
from types import ModuleType


def load(name: str, *, without: str) -> ModuleType:
    """Import a module that finds another one missing; who needs that one afterwards can still import it."""
    if without in sys.modules:
        return import_module(name)
    sys.modules[without] = None  # type: ignore[assignment] # what Python's documentation says makes an import fail
    try:
        return import_module(name)
    finally:
        del sys.modules[without]
