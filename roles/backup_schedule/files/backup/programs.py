"""Other programs, run by argv lists alone; they end with this one."""

import json
import subprocess
import tempfile
from contextlib import contextmanager, suppress

from backup.errors import BackupError, EndedError

# Killed at once with whoever started it: what it would do afterwards, nobody could tell from the next run's work.
_LEASH = ("setpriv", "--pdeathsig", "KILL", "--")


def run(argv, *, text="", environment=None, timeout=None, good=(0,)):
    """Run a program to its end, return what subprocess.run does; raises BackupError unless its exit code is a good one.

    text: given to it on stdin. timeout: seconds.
    """
    try:
        done = subprocess.run(
            [*_LEASH, *argv], input=text.encode(), capture_output=True, env=environment, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        raise BackupError(f"{_name(argv)} was not done after {timeout:g} s") from None
    if done.returncode not in good:
        raise failed(argv, done.returncode, done.stderr or done.stdout)
    return done


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
    lines = [_plain(line.strip()) for line in said.decode(errors="replace").splitlines() if line.strip()]
    words = f": {lines[-1][:600]}" if lines else ""
    return BackupError(f"{_name(argv)} exited with {code}{words}")


def _plain(line):
    """Return what a line says; restic, asked for JSON, says its last word in it."""
    try:
        return str(json.loads(line)["message"]).strip()
    except (ValueError, TypeError, KeyError):
        return line


def _name(argv):
    # The program that did it, not the one that carried the words to it.
    return argv[4] if argv[:2] == ["docker", "exec"] and len(argv) > 4 else argv[0].rpartition("/")[2]
