"""`schoolctl set-certificate`."""

from pathlib import Path
from typing import Annotated

import typer

from schoolctl.commands.change import change_chosen
from schoolctl.commands.options import AsJson, DryRun, Slug, context_of
from schoolctl.errors import CommandUsageError
from schoolctl.schools import changes


def set_certificate(
    typer_context: typer.Context,
    slug: Slug,
    file: Annotated[
        Path | None, typer.Option(help="The certificate with its chain (PEM); the key too, if --key is left out.")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="Its private key (PEM), without a passphrase.")] = None,
    platform: Annotated[
        bool, typer.Option("--platform", help="No longer its own: what platform.yml says for all.")
    ] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Give a school a certificate that you bring, after a look whether it fits its domain, its key and the day.

    To renew it, run this again with the new one. It is kept on the server and in the school's backup sets, and never in
    schools.yml.

    Example: schoolctl set-certificate tech-school --file fullchain.pem --key privkey.pem
    """
    if (file is None) != platform:
        raise CommandUsageError("Could not set a certificate", because="give either --file or --platform")
    if key and not file:
        raise CommandUsageError("Could not set a certificate", because="--key goes with --file")
    context = context_of(typer_context, as_json=as_json)
    school = context.project.schools().named(slug)
    if file is not None:
        from schoolctl.workflows.certify import bundle_of, keep_own

        bundle = bundle_of(file, key)
        if not dry_run:
            context.reach()
            with context.recorded(f"set-certificate {slug}", f"take the certificate of `{slug}`"):
                kept = keep_own(context.server, slug, bundle)
            if not kept["trusted"]:
                context.ui.say(
                    "warning: no authority that the server trusts stands behind it, and so will browsers say"
                )
            if kept["missing"]:
                context.ui.say(f"warning: it does not cover {', '.join(kept['missing'])}")
    change = changes.own_certificate if file else changes.platform_certificate
    change_chosen(context, [school], "set-certificate", change, dry_run=dry_run, certify=True)
