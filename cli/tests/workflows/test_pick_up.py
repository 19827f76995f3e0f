from collections.abc import Callable

from schoolctl.workflows.pick_up import wait_until_quiet
from schoolctl.workflows.step import Outcome
from tests.support.project import OTHER, Told, plain_server
from tests.support.recording_transport import RecordingTransport
from tests.support.server_model import ROOT, ServerModel


def in_turn(*deeds: Callable[[], object]) -> Callable[[float], object]:
    """Return a pause in which each time the next thing happens on the server."""
    left = list(deeds)
    return lambda _seconds: left.pop(0)()


def test_work_that_goes_on_is_shown_step_by_step_until_it_ends(server: ServerModel) -> None:
    holder = RecordingTransport(server)
    holder.call("lock", who="ann@desk", what="restore x", since="t")
    server.put(f"{ROOT}/journal/{OTHER}.json", '{"doing": "restore"}')
    pause = in_turn(
        lambda: holder.tell("note", step="Load", outcome="started", seconds=0.0),
        lambda: holder.tell("note", step="Swap", outcome="started", seconds=0.0),
        lambda: server.remove(f"{ROOT}/journal/{OTHER}.json"),
        holder.close,
    )
    told = Told()
    claims = wait_until_quiet(plain_server(RecordingTransport(server)), told, 60, pause)
    assert claims == {}
    titles = [f"restore x, by ann@desk: {step}" for step in ("begins", "Load", "Swap")]
    assert told.lines == [(title, outcome) for title in titles for outcome in (Outcome.STARTED, Outcome.DONE)]


def test_a_quiet_server_is_not_waited_for(server: ServerModel) -> None:
    server.put(f"{ROOT}/journal/{OTHER}.json", '{"doing": "restore"}')
    told = Told()
    claims = wait_until_quiet(plain_server(RecordingTransport(server)), told, 0, in_turn())
    assert (list(claims), told.lines) == ([OTHER], [])
