"""French is complete: it proves that every string can be translated, and shows what a language takes."""

import ast
import csv
import re
from collections.abc import Iterator
from pathlib import Path

from lms_app.services import questions, recipe, scoring, seats

APP = Path(__file__).parents[1] / "lms_app"
FRENCH = APP / "translations" / "fr.csv"
MARKED = re.compile(r"(?<![\w.])_\(\s*(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')")
# What pages translate by the value that they show, not by a string in a template.
VALUES = {
    *("Beginner", "Intermediate", "Advanced", "Note", "Tip", "Warning"),
    *("Draft", "In Review", "Published", "Archived"),
    *scoring.KINDS,
    *seats.LIVE,
    *seats.ENDED,
    *recipe.ALLERGENS,
    *(questions.TRUE, questions.FALSE),
}


def french() -> dict[str, str]:
    with FRENCH.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.reader(lines))
    assert all(len(row) == 2 for row in rows)
    assert len({source for source, _ in rows}) == len(rows), "a string is translated twice"
    return dict(rows)


def marked() -> set[str]:
    found = {ast.literal_eval(text) for page in APP.rglob("*.html") for text in MARKED.findall(page.read_text())}
    for module in APP.rglob("*.py"):
        if "tests" not in module.parts and not module.name.startswith("test_"):
            found |= set(calls(ast.parse(module.read_text())))
    return found


def calls(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name == "_" and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str):
            yield node.args[0].value


def test_every_marked_string_is_said_in_french_and_nothing_else_is():
    assert set(french()) == marked() | VALUES


def test_a_translation_keeps_the_gaps_that_are_filled_in():
    for source, said in french().items():
        assert sorted(re.findall(r"\{\d\}", source)) == sorted(re.findall(r"\{\d\}", said)), source
        assert said.strip() == said != "", source


def test_templates_hold_no_sentence_that_is_not_marked():
    for page in (*APP.glob("www/**/*.html"), *APP.glob("templates/learn/*.html"), *APP.glob("templates/teach/*.html")):
        text = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}|<style>.*?</style>", " ", page.read_text(), flags=re.S)
        words = re.sub(r"<[^>]*>", " ", text)
        assert not re.search(r"[A-Za-z]{3}", words.replace("kB", "")), page
        for attribute in ("alt", "aria-label", "placeholder", "title"):
            assert not re.search(rf'(?<!-)\b{attribute}="[^"{{]*[A-Za-z]{{3}}', text), page
