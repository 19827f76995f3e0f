"""Reach the server over SSH with paramiko: one connection a run, host keys verified, agent started once.

What waits for the network is done ahead: `begin` connects beside the rest of a command, and no request waits for the
answer to one before that only says that the agent is there.
"""

import getpass
import logging
import os
import selectors
import shlex
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schoolctl.errors import UnreachableError
from schoolctl.schools.hosts import Host
from schoolctl.transport import lean
from schoolctl.transport.session import BOOT, TAKE, AgentSession

if TYPE_CHECKING:
    import paramiko
else:
    paramiko = lean.load("paramiko", without="invoke")

# What goes wrong is said in our own words; without a handler Python would print paramiko's traceback before them.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

_SUDO = ("sudo", "-n", "--")

KEEPALIVE_SECONDS = 30


class UnknownHostKeyError(Exception):
    """Tell that a server's key is in no list of known ones."""


class _Refuse(paramiko.MissingHostKeyPolicy):
    """Refuse a key that nobody has vouched for."""

    def missing_host_key(self, _client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        raise UnknownHostKeyError(f"{hostname} shows {key.get_name()} {key.fingerprint}")


class SshTransport:
    """Carry requests over one SSH connection, opened at the first need.

    beside: use the connection of this transport, with a channel and an agent of one's own.
    """

    def __init__(
        self, host: Host, agent_source: bytes, *, timeout: float = 15.0, beside: "SshTransport | None" = None
    ) -> None:
        self._host = host
        self._agent_source = agent_source
        self._timeout = timeout
        self._beside = beside
        self._client: paramiko.SSHClient | None = None
        self._channel: paramiko.Channel | None = None
        self._session: AgentSession | None = None
        self._begun: Future[None] | None = None

    def begin(self) -> None:
        """Connect in the background; the first need waits for it, and hears what went wrong."""
        begun = self._begun = Future[None]()

        def start() -> None:
            try:
                # Not through the future, which would hold it longer than the connection: see `_start_agent`.
                self._session = self._start_agent()
            except BaseException as fault:
                begun.set_exception(fault)
            else:
                begun.set_result(None)

        # A daemon: who needs no server in the end does not wait for one that does not answer.
        threading.Thread(target=start, daemon=True).start()

    def call(self, operation: str, **arguments: Any) -> Any:
        """Return the agent's answer to one operation; see `Transport.call`."""
        with self._heard() as agent:
            return agent.call(operation, **arguments)

    def tell(self, operation: str, **arguments: Any) -> None:
        """Send an operation and wait for nothing; see `Transport.tell`."""
        with self._heard() as agent:
            agent.tell(operation, **arguments)

    def another(self) -> "SshTransport":
        """Return a further agent over this connection; see `Transport.another`."""
        return SshTransport(self._host, self._agent_source, timeout=self._timeout, beside=self)

    def attach(self, argv: Sequence[str], *, tty: bool) -> int:
        """Run a program with this terminal's streams; see `Transport.attach`."""
        # sudo logs every line that it runs, and what a user writes may hold a secret.
        place = self.call("hold", argv=list(argv))
        channel = self._open_channel()
        if tty:
            size = os.get_terminal_size(sys.stdout.fileno())
            channel.get_pty(term=os.environ.get("TERM", "xterm"), width=size.columns, height=size.lines)
        channel.exec_command(shlex.join([*_SUDO, "python3", "-I", "-c", TAKE, place]))
        return _relay(channel, tty=tty)

    def close(self) -> None:
        """End the connection, or one's own channel in another's; the agent notices and releases its lock."""
        if self._begun is not None:
            # Who is still connecting is not waited for, and hangs up by himself.
            self._begun.add_done_callback(lambda _: self._hang_up())
            self._begun = None
        self._hang_up()

    def _hang_up(self) -> None:
        if self._channel is not None:
            self._channel.close()
        if self._client is not None:
            self._client.close()
        self._client = self._channel = self._session = None

    @contextmanager
    def _heard(self) -> Iterator[AgentSession]:
        """Yield the agent; if it never answered anything, say why."""
        agent = self._agent()
        try:
            yield agent
        except UnreachableError:
            channel = self._channel
            if agent.heard or channel is None or not channel.get_transport().is_active():
                raise
            self._session = None
            raise self._never_began(channel) from None

    def _agent(self) -> AgentSession:
        if self._begun is not None:
            try:
                self._begun.result()
            except UnreachableError:
                self._begun = None  # the next need tries again
                raise
            self._begun = None
        if self._session is None:
            self._session = self._start_agent()
        return self._session

    def _start_agent(self) -> AgentSession:
        # Two methods: an exception that paramiko keeps while it connects keeps this frame, and what it refers to, past
        # the end of the connection. Then Python closes the agent's streams in any order, and complains.
        return self._start_agent_in(self._open_channel())

    def _start_agent_in(self, channel: paramiko.Channel) -> AgentSession:
        self._channel = channel
        channel.exec_command(shlex.join([*_SUDO, "python3", "-I", "-c", BOOT]))
        # paramiko's stubs know neither that "rb" gives bytes nor that key_filename may be a list.
        to_agent: Any = channel.makefile("wb")
        from_agent: Any = channel.makefile("rb")
        session = AgentSession(to_agent, from_agent, self._host.name)
        try:
            session.start(self._agent_source)
        except UnreachableError:
            raise self._never_began(channel) from None
        return session

    def _never_began(self, channel: paramiko.Channel) -> UnreachableError:
        words = channel.makefile_stderr("r").read()
        text = words.decode(errors="replace") if isinstance(words, bytes) else words
        return UnreachableError(
            f"Could not start work on {self._host.name}",
            because=text.strip().splitlines()[-1] if text.strip() else "the login shell ended at once",
            hint="run `schoolctl provision`: it gives the deploy user sudo without a password",
        )

    def _open_channel(self) -> paramiko.Channel:
        if self._beside is not None:
            self._beside._agent()  # its connection may still be under way
            return self._beside._open_channel()
        if self._client is None:
            self._client = self._connect()
        transport = self._client.get_transport()
        if transport is None:
            raise UnreachableError(f"Lost the connection to {self._host.name}")
        # A line that went dead without a word is noticed, however long the command in hand is silent.
        transport.set_keepalive(KEEPALIVE_SECONDS)
        try:
            return transport.open_session(timeout=self._timeout)
        except (paramiko.SSHException, EOFError) as fault:
            raise UnreachableError(
                f"Could not reach {self._host.name}", because=f"it opens no session: {fault or 'the line was closed'}"
            ) from None

    def _connect(self) -> paramiko.SSHClient:
        host = self._host
        settings = _ssh_config(host.address)
        address = str(settings.get("hostname", host.address))
        port = host.port or int(str(settings.get("port", 22)))
        user = host.user or str(settings.get("user", getpass.getuser()))
        keys = [str(host.key_file)] if host.key_file else list(settings.get("identityfile", []))
        known_hosts = host.known_hosts or Path("~/.ssh/known_hosts").expanduser()

        key_files: Any = [key for key in keys if Path(key).expanduser().exists()] or None
        client = paramiko.SSHClient()
        if host.known_hosts is None:
            client.load_system_host_keys()
        elif known_hosts.exists():
            client.load_host_keys(str(known_hosts))
        client.set_missing_host_key_policy(_Refuse())
        place = f"{user}@{address}:{port}"
        try:
            client.connect(
                address,
                port=port,
                username=user,
                key_filename=key_files,
                timeout=self._timeout,
                banner_timeout=self._timeout,
                auth_timeout=self._timeout,
                sock=_jump(settings, address, port),
            )
        except paramiko.BadHostKeyException as fault:
            raise UnreachableError(
                f"Will not talk to {host.name}",
                because=f"the key of {address} is not the one in {known_hosts}: {fault}",
                hint="if the server was rebuilt, remove its old line there; otherwise somebody may be in between",
            ) from None
        except paramiko.AuthenticationException as fault:
            raise UnreachableError(
                f"Could not log in to {host.name}",
                because=f"{place} refused every key: {fault}",
                hint="check ansible_user and the key in hosts.yml; on a new server run `schoolctl provision` first",
            ) from None
        except UnknownHostKeyError as fault:
            raise UnreachableError(
                f"Will not talk to {host.name}",
                because=f"its key is not known in {known_hosts}: {fault}",
                hint=f"compare that fingerprint, then add the key: ssh-keyscan -p {port} {address} >> {known_hosts}",
            ) from None
        except paramiko.SSHException as fault:
            raise UnreachableError(f"Could not reach {host.name}", because=f"{place}: {fault}") from None
        except (OSError, EOFError) as fault:
            raise UnreachableError(
                f"Could not reach {host.name}",
                because=f"{place}: {fault}",
                hint="is the server up, and hosts.yml right?",
            ) from None
        return client


def _ssh_config(address: str) -> dict[str, Any]:
    path = Path("~/.ssh/config").expanduser()
    if not path.exists():
        return {}
    if "exec" in path.read_text(encoding="utf-8", errors="replace").lower():
        # `Match exec` is what paramiko wants it for.
        reader: Any = paramiko.config
        reader.invoke = import_module("invoke")
    return dict(paramiko.SSHConfig.from_path(str(path)).lookup(address))


def _jump(settings: dict[str, Any], address: str, port: int) -> paramiko.ProxyCommand | None:
    """Return the way through a ProxyJump or ProxyCommand of the user's ssh configuration, by ssh itself."""
    if "proxycommand" in settings:
        return paramiko.ProxyCommand(str(settings["proxycommand"]))
    if settings.get("proxyjump", "none") != "none":
        return paramiko.ProxyCommand(shlex.join(["ssh", "-W", f"{address}:{port}", str(settings["proxyjump"])]))
    return None


def _relay(channel: paramiko.Channel, *, tty: bool) -> int:
    """Copy between a channel and this process's streams until the remote program ends; return its exit code."""
    import termios
    import tty as terminal

    stdin = sys.stdin.fileno()
    before = termios.tcgetattr(stdin) if tty else None
    if tty:
        terminal.setraw(stdin)
    try:
        with selectors.DefaultSelector() as ready:
            ready.register(channel, selectors.EVENT_READ)
            try:
                ready.register(stdin, selectors.EVENT_READ)
            except PermissionError:  # a regular file is always ready, and epoll refuses it
                channel.sendall(sys.stdin.buffer.read())
                channel.shutdown_write()
            while True:
                for key, _ in ready.select():
                    if key.fileobj is channel:
                        _drain(channel)
                        if channel.exit_status_ready() and not (channel.recv_ready() or channel.recv_stderr_ready()):
                            return channel.recv_exit_status()
                    else:
                        data = os.read(stdin, 32768)
                        if data:
                            channel.sendall(data)
                        else:
                            ready.unregister(stdin)
                            channel.shutdown_write()
    finally:
        if before is not None:
            termios.tcsetattr(stdin, termios.TCSADRAIN, before)


def _drain(channel: paramiko.Channel) -> None:
    try:
        while channel.recv_ready():
            os.write(sys.stdout.fileno(), channel.recv(32768))
        while channel.recv_stderr_ready():
            os.write(sys.stderr.fileno(), channel.recv_stderr(32768))
        if channel.eof_received and not channel.exit_status_ready():
            channel.status_event.wait(1.0)
    except TimeoutError:
        return
