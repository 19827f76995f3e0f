import pytest

from schoolctl import errors
from schoolctl.errors import SchoolctlError
from schoolctl.remote.server import CommandFailedError
from schoolctl.transport.base import Command, Result
from schoolctl.ui import Ui


def test_each_kind_of_error_has_an_exit_code_of_its_own() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, SchoolctlError)]
    assert sorted(kind.exit_code for kind in kinds) == [1, 2, 3, 4, 5, 6]


def test_an_error_is_told_in_three_parts_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    fault = SchoolctlError("Could not do it", because="it is late", hint="sleep", details="more")
    Ui().error(fault)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "error: Could not do it\n  because: it is late\n\nhint: sleep\n"
    Ui(verbose=True).error(fault)
    assert capsys.readouterr().err.endswith("\nmore\n")


def test_a_failed_command_is_told_with_its_last_line_and_without_its_secrets() -> None:
    command = Command(("docker", "exec", "db", "mariadb", "-phunter2"), "IDENTIFIED BY 'hunter2'", ("hunter2",))
    words = "".join(f"line {number}\n" for number in range(50)) + "Access denied using 'hunter2'\n"
    fault = CommandFailedError(command, Result(1, "", words), "vps1")
    assert fault.because == "`docker exec db mariadb -p********` exited with 1 on vps1: Access denied using '********'"
    assert "hunter2" not in f"{fault.what}{fault.because}{fault.details}"
    assert fault.details.splitlines()[0] == "$ docker exec db mariadb -p********"
    assert len(fault.details.splitlines()) == 21


def test_a_command_that_failed_without_a_word_still_names_its_code() -> None:
    assert CommandFailedError(Command(("x",)), Result(7, "", ""), "vps1").because == "`x` exited with 7 on vps1"


@pytest.mark.parametrize("value", [{"a": None, "long": ["x", "y"]}, {}])
def test_facts_are_one_line_a_key_or_one_document(capsys: pytest.CaptureFixture[str], value: dict[str, object]) -> None:
    Ui().facts(value)
    assert len(capsys.readouterr().out.splitlines()) == len(value)
    Ui(as_json=True).facts(value)
    assert capsys.readouterr().out.startswith("{")
