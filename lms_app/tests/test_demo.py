from pathlib import Path

import pytest
import yaml
from lms_app.services import assignments, questions, scoring

DEMOS = sorted((Path(__file__).parents[1] / "lms_app" / "demo").glob("*.yml"))


def lessons(demo):
    told = yaml.safe_load(demo.read_text(encoding="utf-8"))
    return [one for part in told["modules"] for one in part["lessons"]]


def asked(demo):
    quizzes = [one["quiz"] for one in lessons(demo) if "quiz" in one]
    return [question for quiz in quizzes for question in (*quiz["questions"], *quiz["pool"])]


@pytest.mark.parametrize("demo", DEMOS, ids=lambda path: path.stem)
def test_each_question_of_a_demo_can_be_answered(demo):
    for question in asked(demo):
        options = question.get("options", [])
        rows = zip(options, questions.with_weights(question["kind"], options), strict=True)
        assert questions.faults(question, [{**row, "weight": weight} for row, weight in rows]) == [], question["title"]


def test_the_demos_ask_every_kind_of_question():
    assert {question["kind"] for demo in DEMOS for question in asked(demo)} == {*scoring.KINDS}


@pytest.mark.parametrize("demo", DEMOS, ids=lambda path: path.stem)
def test_each_demo_has_work_to_hand_in_and_a_rubric_to_judge_it_by(demo):
    [lesson] = [one for one in lessons(demo) if "assignment" in one]
    rubric = lesson["assignment"]["rubric"]
    levels = [(row["title"], level["title"], level["points"]) for row in rubric for level in row["levels"]]
    assert assignments.rubric_faults([row["title"] for row in rubric], levels) == []
    # Whoever learns alone is not kept waiting for a teacher.
    assert lesson["is_required"] == 0
