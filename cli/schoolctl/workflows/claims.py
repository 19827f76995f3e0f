"""What commands that make something for a school have in common: its claim, and passwords."""

import secrets

from schoolctl.errors import RefusedError
from schoolctl.remote.server import Server


def new_password() -> str:
    """Return 192 random bits in characters that neither SQL nor a shell gives a meaning."""
    return secrets.token_urlsafe(24)


def refuse_claim_of_others(server: Server, slug: str, doing: str) -> None:
    """Raise RefusedError if an interrupted command of another kind still owns something of this school."""
    claim = server.claim(slug)
    if claim is not None and claim.get("doing") != doing:
        # Without its set a restore would take the newest, which need not be the one that was chosen.
        chosen = f" --set {claim['set']}" if claim.get("set") else ""
        raise RefusedError(
            f"Could not begin on `{slug}`",
            because=f"`{claim.get('doing')}` was interrupted there at {claim.get('since')}",
            hint=f"run `schoolctl {claim.get('doing')} {slug}{chosen}` again first: it clears up or completes",
        )
