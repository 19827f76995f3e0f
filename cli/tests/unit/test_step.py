import pytest

from schoolctl.errors import SchoolctlError, UnreachableError
from schoolctl.workflows.step import Outcome, Step, run_steps
from tests.support.project import Told


class Story:
    """Steps that write down what happens to them."""

    def __init__(self) -> None:
        self.log: list[str] = []

    def step(
        self,
        name: str,
        *,
        done: bool | BaseException = False,
        fails: BaseException | None = None,
        undo_fails: BaseException | None = None,
        commits: bool = False,
    ) -> Step:
        def is_done() -> bool:
            if isinstance(done, BaseException):
                raise done
            return done or (commits and f"did {name}" in self.log)

        def do() -> None:
            self.log.append(f"do {name}")
            if fails:
                raise fails
            self.log.append(f"did {name}")

        def undo() -> None:
            self.log.append(f"undo {name}")
            if undo_fails:
                raise undo_fails

        return Step(name, do, is_done, undo, commits)


FAULT = SchoolctlError("no")


def broken(steps: list[Step], kind: type[BaseException] = SchoolctlError) -> Told:
    told = Told()
    with pytest.raises(kind):
        run_steps(steps, told)
    return told


def test_steps_run_in_order_and_say_that_something_changed() -> None:
    story, told = Story(), Told()
    assert run_steps([story.step("a"), story.step("b")], told) is True
    assert story.log == ["do a", "did a", "do b", "did b"]
    assert told.titles(Outcome.DONE) == ["a", "b"]


def test_what_is_done_is_skipped_and_nothing_has_changed() -> None:
    story, told = Story(), Told()
    assert run_steps([story.step("a", done=True)], told) is False
    assert story.log == []
    assert told.lines == [("a", Outcome.SKIPPED)]


def test_a_dry_run_does_nothing_and_tells_what_it_would_do() -> None:
    story, told = Story(), Told()
    assert run_steps([story.step("a", done=True), story.step("b")], told, dry_run=True) is True
    assert story.log == []
    assert told.lines == [("a", Outcome.SKIPPED), ("b", Outcome.WOULD_DO)]


@pytest.mark.parametrize("fault", [FAULT, KeyboardInterrupt(), ValueError("a bug")])
def test_a_failing_step_and_those_before_it_are_undone_backwards(fault: BaseException) -> None:
    story = Story()
    told = broken([story.step("a"), story.step("b"), story.step("c", fails=fault), story.step("d")], type(fault))
    assert story.log[4:] == ["do c", "undo c", "undo b", "undo a"]
    assert told.titles(Outcome.FAILED) == ["c"]
    assert told.titles(Outcome.TAKEN_BACK) == ["c", "b", "a"]


def test_what_was_skipped_is_never_undone() -> None:
    story = Story()
    broken([story.step("a", done=True), story.step("b", fails=FAULT)])
    assert story.log == ["do b", "undo b"]


@pytest.mark.parametrize("fault", [FAULT, KeyboardInterrupt()])
def test_a_fact_that_cannot_be_asked_takes_back_what_was_done_but_not_its_own_step(fault: BaseException) -> None:
    story = Story()
    broken([story.step("a"), story.step("b", done=fault)], type(fault))
    assert story.log == ["do a", "did a", "undo a"]


def test_nothing_before_a_commit_is_undone() -> None:
    story = Story()
    broken([story.step("a"), story.step("b", commits=True), story.step("c"), story.step("d", fails=FAULT)])
    assert story.log[6:] == ["do d", "undo d", "undo c"]


def test_a_commit_that_did_not_happen_is_undone() -> None:
    story = Story()
    broken([story.step("a"), story.step("b", fails=FAULT, commits=True)])
    assert story.log[2:] == ["do b", "undo b", "undo a"]


def test_a_commit_that_happened_before_it_failed_is_kept() -> None:
    log: list[str] = []

    def do() -> None:
        log.append("renamed")
        raise KeyboardInterrupt

    steps = [
        Step("a", do=lambda: None, undo=lambda: log.append("undo a")),
        Step("b", do=do, is_done=lambda: "renamed" in log, commits=True),
    ]
    broken(steps, KeyboardInterrupt)
    assert log == ["renamed"]


def test_a_commit_of_which_nobody_can_say_whether_it_happened_is_kept() -> None:
    asked: list[str] = []

    def is_done() -> bool:
        asked.append("?")
        if len(asked) > 1:
            raise UnreachableError("gone")
        return False

    def do() -> None:
        raise UnreachableError("gone")

    undone: list[str] = []
    steps = [
        Step("a", do=lambda: None, undo=lambda: undone.append("a")),
        Step("b", do=do, is_done=is_done, commits=True),
    ]
    broken(steps, UnreachableError)
    assert undone == []


def test_an_undo_that_fails_is_told_keeps_the_first_fault_and_leaves_the_claim_before_it() -> None:
    story = Story()
    steps = [
        story.step("claim"),
        story.step("database", undo_fails=SchoolctlError("undo")),
        story.step("c", fails=FAULT),
    ]
    told = Told()
    with pytest.raises(SchoolctlError) as raised:
        run_steps(steps, told)
    assert raised.value is FAULT
    assert story.log[-2:] == ["undo c", "undo database"]
    assert told.titles(Outcome.STUCK) == ["database"]
