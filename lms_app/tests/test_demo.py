from pathlib import Path

import pytest
import yaml
from lms_app.services import questions, scoring

DEMOS = sorted((Path(__file__).parents[1] / "lms_app" / "demo").glob("*.yml"))


def asked(demo):
    told = yaml.safe_load(demo.read_text(encoding="utf-8"))
    quizzes = [one["quiz"] for part in told["modules"] for one in part["lessons"] if "quiz" in one]
    return [question for quiz in quizzes for question in (*quiz["questions"], *quiz["pool"])]


@pytest.mark.parametrize("demo", DEMOS, ids=lambda path: path.stem)
def test_each_question_of_a_demo_can_be_answered(demo):
    for question in asked(demo):
        options = question.get("options", [])
        rows = zip(options, questions.with_weights(question["kind"], options), strict=True)
        assert questions.faults(question, [{**row, "weight": weight} for row, weight in rows]) == [], question["title"]


def test_the_demos_ask_every_kind_of_question():
    assert {question["kind"] for demo in DEMOS for question in asked(demo)} == {*scoring.KINDS}
