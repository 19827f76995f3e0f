"""The agent's program as it is sent to the server."""

from importlib import resources


def agent_source() -> bytes:
    """Return the source text of the agent."""
    return (resources.files("schoolctl.remote") / "agent.py").read_bytes()
