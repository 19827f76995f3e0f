"""Other programs, run by argv lists alone; they end with this one."""

import json
import os
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress

from backup.errors import BackupError, EndedError, VainError

# Killed at once with whoever started it: what it would do afterwards, nobody could tell from the next run's work.
_LEASH = ("setpriv", "--pdeathsig", "KILL", "--")
# How often a program that may try in vain is listened to.
_LOOK_S = 0.5


def run(argv, *, text="", environment=None, timeout=None, good=(0,), vain=None):
    """Run a program to its end, return what subprocess.run does; raises BackupError unless its exit code is a good one.

    text: given to it on stdin. timeout: seconds. vain: a pattern of what it says on stderr when it tries again and
    again what cannot come about: it is ended then, and VainError raised with the pattern's first group.
    """
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            [*_LEASH, *argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=environment
        ) as process,
    ):
        try:
            output = _output_of(process, errors, text.encode(), timeout, vain)
        except subprocess.TimeoutExpired:
            process.kill()
            raise BackupError(f"{_name(argv)} was not done after {timeout:g} s{_last_of(_said_in(errors))}") from None
        except BaseException:
            process.kill()
            raise
        done = subprocess.CompletedProcess(argv, process.returncode, output, _said_in(errors))
    if done.returncode not in good:
        raise failed(argv, done.returncode, done.stderr or done.stdout)
    return done


def _output_of(process, errors, text, timeout, vain):
    """Return what a program writes until its end; raises TimeoutExpired, and VainError for a match in its errors."""
    end = None if timeout is None else time.monotonic() + timeout
    while True:
        left = None if end is None else max(0, end - time.monotonic())
        step = left if vain is None else min(_LOOK_S, _LOOK_S if left is None else left)
        try:
            return process.communicate(text, timeout=step)[0]
        except subprocess.TimeoutExpired:
            found = vain.search(_said_in(errors)) if vain else None
            if found:
                raise VainError(found[1].decode(errors="replace").strip()) from None
            if end is not None and time.monotonic() >= end:
                raise
            text = None  # it has been given


def _said_in(file):
    """Return what a program has written to a file so far. The program goes on where it was: the place is its, too."""
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0)


@contextmanager
def running(argv, *, reads=False, text="", environment=None):
    """Let a program run beside, with a pipe from its stdout; raises BackupError at the end unless it exits with 0.

    reads: the pipe leads to its stdin instead. text: a line or two, given to it on stdin. Whatever
    goes wrong here, it is killed, and gone when this returns.
    """
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [*_LEASH, *argv],
            stdin=subprocess.PIPE if reads or text else subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if reads else subprocess.PIPE,
            stderr=errors,
            env=environment,
        )
        pipe = process.stdin if reads else process.stdout
        fault = None
        if text:
            with suppress(BrokenPipeError), process.stdin:
                process.stdin.write(text.encode())
        try:
            yield pipe
            pipe.close()
        except (BrokenPipeError, EndedError) as early:
            fault = early  # it ended before its time: its own words say why
        except BaseException:
            process.kill()
            raise
        finally:
            with suppress(BrokenPipeError):
                pipe.close()
            code = process.wait()
        errors.seek(0)
        said = errors.read()
    if code != 0:
        raise failed(argv, code, said)
    if fault:
        raise fault if isinstance(fault, EndedError) else EndedError(f"{_name(argv)} ended before it had read all")


def failed(argv, code, said):
    """Return the error of a program that exited with another code than 0; its words without what was asked of it."""
    return BackupError(f"{_name(argv)} exited with {code}{_last_of(said)}")


def _last_of(said):
    """Return the last line that a program said, behind a colon; nothing if it said nothing."""
    lines = [_plain(line.strip()) for line in said.decode(errors="replace").splitlines() if line.strip()]
    return f": {lines[-1][:600]}" if lines else ""


def _plain(line):
    """Return what a line says; restic, asked for JSON, says its last word in it."""
    try:
        return str(json.loads(line)["message"]).strip()
    except (ValueError, TypeError, KeyError):
        return line


def _name(argv):
    # The program that did it, not the one that carried the words to it.
    return argv[4] if argv[:2] == ["docker", "exec"] and len(argv) > 4 else argv[0].rpartition("/")[2]
