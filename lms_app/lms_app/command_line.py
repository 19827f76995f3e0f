"""Say why a function failed that was called from the command line."""

import functools
import sys
import traceback
from collections.abc import Callable
from typing import Any

import click
import frappe


def told_plainly(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let `bench execute` end with the reason, on the last line of stderr, when the function fails.

    By itself it answers every exception with a second try by other means, which cannot work for an app's function, and
    what is read in the end is only that. Everywhere else exceptions pass as they are.
    """

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except Exception as fault:
            context = click.get_current_context(silent=True)
            if context is None or context.info_name != "execute":
                raise
            if not isinstance(fault, frappe.ValidationError):
                traceback.print_exc()
            sys.exit(f"{type(fault).__name__}: {fault}")

    return called
