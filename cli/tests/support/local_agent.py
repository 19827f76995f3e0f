"""The real agent as a process of this machine, started by the same line as over SSH."""

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast

from schoolctl.remote.source import agent_source
from schoolctl.transport.session import BOOT, AgentSession

# Only root may give files away; elsewhere the owner that is asked for is the one who asks.
OWN = {"owner": str(os.getuid()), "group": str(os.getgid())}


class LocalAgent:
    """One client with its agent; `vanish` cuts the line as a lost connection does."""

    def __init__(self, root: Path, *, path: Path | None = None) -> None:
        environment = {**os.environ, "PATH": f"{path}:{os.environ['PATH']}" if path else os.environ["PATH"]}
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-c", BOOT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )
        self.to_agent = cast(IO[bytes], self.process.stdin)
        self.from_agent = cast(IO[bytes], self.process.stdout)
        self.session = AgentSession(self.to_agent, self.from_agent, "vps1")
        self.session.start(agent_source())
        self.session.call("hello", root=str(root))

    def __call__(self, operation: str, **arguments: Any) -> Any:
        return self.session.call(operation, **arguments)

    def vanish(self) -> None:
        self.from_agent.close()
        with suppress(BrokenPipeError):
            self.to_agent.close()

    def end(self) -> str:
        """Hang up, wait for the agent's end and return what it said on stderr."""
        with suppress(BrokenPipeError):
            self.to_agent.close()
        with cast(IO[bytes], self.process.stderr) as errors:
            words = "" if errors.closed else errors.read().decode()
        self.process.wait(timeout=20)
        self.from_agent.close()
        return words


class LocalTransport:
    """Carry calls to real agents of this machine: what SSH is to a server."""

    def __init__(self, root: Path, agents: list[LocalAgent] | None = None) -> None:
        self.root = root
        self.agent = LocalAgent(root)
        self.agents = [] if agents is None else agents
        self.agents.append(self.agent)

    def call(self, operation: str, **arguments: Any) -> Any:
        return self.agent.session.call(operation, **arguments)

    def tell(self, operation: str, **arguments: Any) -> None:
        self.agent.session.tell(operation, **arguments)

    def another(self) -> "LocalTransport":
        return LocalTransport(self.root, self.agents)

    def attach(self, argv: Sequence[str], *, tty: bool) -> int:
        return subprocess.run(argv, check=False).returncode

    def close(self) -> None:
        self.agent.vanish()


def program(folder: Path, name: str, text: str) -> str:
    """Write a small shell program and return its path."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)
