"""French is complete: it proves that every string can be translated, and shows what a language takes."""

import ast
import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path

from lms_app.services import questions, recipe, scoring, seats

APP = Path(__file__).parents[1] / "lms_app"
FRENCH = APP / "translations" / "fr.csv"
DOCTYPES = APP / "lms_app" / "doctype"
MARKED = re.compile(r"(?<![\w.])_\(\s*(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')")
SCRIPTED = re.compile(r"(?<![\w.])__\(\s*(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')")
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


# A string and, where Frappe or another app means something else by it, the DocType in which it is ours.
String = tuple[str, str]


def french() -> dict[String, str]:
    with FRENCH.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.reader(lines))
    found = {(row[0], row[2] if len(row) == 3 else ""): row[1] for row in rows}
    assert all(len(row) in (2, 3) for row in rows)
    assert len(found) == len(rows), "a string is translated twice"
    return found


def declared() -> set[String]:
    """Return what DocTypes say in the desk, and who may use them, each with the DocType that says it."""
    found = set()
    for path in sorted(DOCTYPES.glob("*/*.json")):
        doctype = json.loads(path.read_text(encoding="utf-8"))
        said = [doctype["name"], doctype.get("description"), *(rule["role"] for rule in doctype["permissions"])]
        for field in doctype["fields"]:
            said += [field.get("label"), field.get("description")]
            said += (field.get("options") or "").split("\n") if field["fieldtype"] == "Select" else []
        found |= {(text, doctype["name"]) for text in said if text and text != "System Manager"}
    return found


def scripted() -> set[str]:
    return {ast.literal_eval(text) for script in APP.rglob("*.js") for text in SCRIPTED.findall(script.read_text())}


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
    everywhere = {text for text, doctype in french() if not doctype}
    in_forms = {text for text, doctype in declared() if (text, doctype) not in french()}
    assert everywhere == marked() | scripted() | VALUES | in_forms


def test_what_a_doctype_says_otherwise_than_everybody_else_is_said_by_it():
    assert {string for string in french() if string[1]} <= declared()


def test_a_translation_keeps_the_gaps_that_are_filled_in():
    for (source, _), said in french().items():
        assert sorted(re.findall(r"\{\w*\}", source)) == sorted(re.findall(r"\{\w*\}", said)), source
        assert said.strip() == said != "", source


def test_templates_hold_no_sentence_that_is_not_marked():
    for page in (*APP.glob("www/**/*.html"), *APP.glob("templates/learn/*.html"), *APP.glob("templates/teach/*.html")):
        text = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}|<style>.*?</style>", " ", page.read_text(), flags=re.S)
        words = re.sub(r"<[^>]*>", " ", text)
        assert not re.search(r"[A-Za-z]{3}", words.replace("kB", "")), page
        for attribute in ("alt", "aria-label", "placeholder", "title"):
            assert not re.search(rf'(?<!-)\b{attribute}="[^"{{]*[A-Za-z]{{3}}', text), page
