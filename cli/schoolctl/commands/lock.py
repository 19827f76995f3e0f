"""`schoolctl lock`."""

import typer

from schoolctl.commands.options import AsJson, context_of
from schoolctl.workflows.lock_apps import lock_apps


def lock(typer_context: typer.Context, as_json: AsJson = False) -> None:
    """Resolve each app's branch to the commit that it names today, and write apps.lock.yml.

    Example: schoolctl --env production lock
    """
    context = context_of(typer_context, as_json=as_json)
    project = context.project
    locked = lock_apps(project.platform.apps, project.apps_lock)
    context.ui.facts({app.name: app.commit for app in locked})
