"""What a person is asked, when options leave it open."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from schoolctl.schools import checks

Answers = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Question:
    """One thing that only the owner knows; its name is that of the option that answers it.

    default: what holds when nobody answers; empty leaves it out. needed: there must be an answer.
    suggestion: a likely answer, for people. of: the question without whose answer this one makes no sense.
    """

    name: str
    words: str
    check: Callable[[str], Any]
    default: str = ""
    needed: bool = False
    suggestion: str = ""
    of: str = ""

    @property
    def option(self) -> str:
        """The option of the command line that answers it."""
        return "--" + self.name.replace("_", "-")


def head_and_place(of: str = "") -> tuple[Question, ...]:
    """Return what can be left out about a school: who heads it, and where it is. of: the question that it hangs on."""
    return (
        Question("admin_email", "Its administrator's e-mail address (empty: none)", checks.email, of=of),
        Question("country", "Its country, such as France (empty: asked at its first login)", checks.title, of=of),
        Question("language", "Its language's code, such as fr", checks.language, needed=True, of="country"),
        Question("timezone", "Its time zone, such as Europe/Paris", checks.timezone, needed=True, of="country"),
        Question("currency", "Its currency's code, such as EUR", checks.currency, needed=True, of="country"),
    )


def still_open(asked: tuple[Question, ...], answers: Answers) -> Iterator[Question]:
    """Yield in turn what the answers so far leave open; they may grow meanwhile."""
    for question in asked:
        if question.name not in answers and (not question.of or answers.get(question.of)):
            yield question


def missing_options(asked: tuple[Question, ...], answers: Answers) -> list[str]:
    """Return the options without which it cannot be done."""
    missing = [question.option for question in still_open(asked, answers) if question.needed]
    without = {question.of for question in asked if question.name in answers and question.of not in {"", *answers}}
    return missing + [question.option for question in asked if question.name in without]
