"""How a person at the terminal is asked for what options leave open."""

from collections.abc import Iterable
from functools import partial

import click
import typer

from schoolctl.schools.checks import InvalidValueError
from schoolctl.workflows.questions import Question


def ask(open_questions: Iterable[Question], answers: dict[str, str]) -> None:
    """Ask a person until every answer will do; the answers grow meanwhile, and with them what is open."""
    for question in open_questions:
        optional = question.default == "" and not question.needed
        answers[question.name] = typer.prompt(
            question.words,
            default="" if optional else question.default or question.suggestion or None,
            show_default=not optional,
            value_proc=partial(_that_will_do, question),
            err=True,
        )


def _that_will_do(question: Question, answer: str) -> str:
    try:
        if answer:
            question.check(answer)
    except InvalidValueError as fault:
        raise click.UsageError(f"{answer!r} {fault}") from None
    return answer
