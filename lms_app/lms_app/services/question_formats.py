"""Questions as other programs write them: GIFT, and a table with one question in each row.

Pure: nothing here needs a site. Either everything can be read, or each line that cannot be is named.
"""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from lms_app.services import questions, scoring

GIFT, CSV = "GIFT", "CSV"
MOST = 500
LONGEST = 1_000_000
LONGEST_TITLE = 140

# Reasons, beside those of questions.
NO_ANSWER, UNCLOSED, BAD_WEIGHT, BAD_PAIR = "no_answer_part", "unclosed", "bad_weight", "bad_pair"
BAD_KIND, BAD_POINTS, NO_COLUMN, TOO_MANY = "bad_kind", "bad_points_column", "no_column", "too_many"
EMPTY, TOO_LONG = "nothing_to_import", "too_long"


@dataclass(frozen=True)
class Fault:
    """Why a line cannot be read; line: from 1 on."""

    line: int
    reason: str


@dataclass
class Found:
    """Questions as documents have them (title, kind, body, points, truth, explanation, options), and faults."""

    questions: list[dict[str, Any]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


class _LineError(ValueError):
    def __init__(self, reason: str, line: int = 0) -> None:
        super().__init__(reason)
        self.reason, self.line = reason, line


def read(text: str, form: str) -> Found:
    """Return the questions of a text in a form, GIFT or CSV."""
    if len(text) > LONGEST:
        return Found(faults=[Fault(1, TOO_LONG)])
    found = Found()
    # Some programs begin a file with a mark that nobody sees.
    plain = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    try:
        for line, read_one in _of_gift(plain) if form == GIFT else _of_table(plain):
            _take(found, line, read_one)
    except _LineError as fault:
        found.faults.append(Fault(fault.line or 1, fault.reason))
    if len(found.questions) > MOST:
        found.faults.append(Fault(1, TOO_MANY))
    if not found.questions and not found.faults:
        found.faults.append(Fault(1, EMPTY))
    return found


def _take(found: Found, line: int, read_one: Any) -> None:
    try:
        question = read_one()
    except _LineError as fault:
        found.faults.append(Fault(fault.line or line, fault.reason))
        return
    options = question.get("options", [])
    for option, weight in zip(options, questions.with_weights(question["kind"], options), strict=True):
        option["weight"] = weight
    faults = questions.faults(question, options)
    found.faults += [Fault(line, reason) for reason in faults]
    if not faults:
        question["title"] = (question.get("title") or " ".join(question["body"].split()))[:LONGEST_TITLE]
        found.questions.append(question)


# GIFT. What follows a backslash is itself; until everything is taken apart, it is kept as a letter of private use.

_HIDDEN = {letter: chr(0xE000 + number) for number, letter in enumerate("~=#{}:\\\n")}
_ESCAPE = re.compile(r"\\([~=#{}:\\n])")
_TITLE = re.compile(r"\s*::(.*?)::", re.S)
_FORM = re.compile(r"\s*\[(?:html|markdown|moodle|plain)\]", re.I)
_WEIGHT = re.compile(r"%(-?\d+(?:\.\d+)?)%")
_PART = re.compile(r"[=~][^=~]*")


def _of_gift(text: str) -> Iterator[tuple[int, Any]]:
    hidden = _ESCAPE.sub(lambda found: _HIDDEN["\n" if found[1] == "n" else found[1]], text)
    begin, chunk = 0, list[str]()
    for number, line in enumerate([*hidden.split("\n"), ""], 1):
        if line.strip().startswith(("//", "$CATEGORY:")):
            continue
        if line.strip():
            begin = begin if chunk else number
            chunk.append(line)
        elif chunk:
            yield begin, partial(_gift_question, "\n".join(chunk))
            chunk = []


def _gift_question(text: str) -> dict[str, Any]:
    title = ""
    if named := _TITLE.match(text):
        title, text = named[1], text[named.end() :]
    if form := _FORM.match(text):
        text = text[form.end() :]
    begin, end = text.find("{"), text.rfind("}")
    if begin < 0:
        raise _LineError(NO_ANSWER)
    if end < begin:
        raise _LineError(UNCLOSED)
    before, inside, after = text[:begin], text[begin + 1 : end].strip(), text[end + 1 :].strip()
    inside, _, explanation = inside.partition("####")
    question = _gift_answer(inside.strip())
    # No underscores: Markdown would make something else of them.
    body = f"{before.rstrip()} … {after}" if after else before
    return {"title": _shown(title), "body": _shown(body), "explanation": _shown(explanation), "points": 1, **question}


def _gift_answer(inside: str) -> dict[str, Any]:
    if not inside:
        return {"kind": scoring.ESSAY, "options": []}
    if inside.startswith("#"):
        return {"kind": scoring.NUMERIC, "options": [*_gift_numbers(inside[1:].strip())]}
    word, *_ = re.split(r"#", inside, maxsplit=1)
    if word.strip().upper() in ("T", "TRUE", "F", "FALSE"):
        is_true = word.strip().upper().startswith("T")
        return {"kind": scoring.TRUE_FALSE, "truth": questions.TRUE if is_true else questions.FALSE, "options": []}
    parts = _PART.findall(inside)
    if not parts or not inside.startswith(("=", "~")):
        raise _LineError(NO_ANSWER)
    rows = [_gift_option(part) for part in parts]
    signs = {part[0] for part in parts}
    if all("->" in row["text"] for row in rows) and signs == {"="}:
        return {"kind": scoring.MATCHING, "options": [_gift_pair(row) for row in rows]}
    if any("->" in row["text"] for row in rows) and signs == {"="}:
        raise _LineError(BAD_PAIR)
    if signs == {"="}:
        options = [{"key": row["text"], "weight": row["weight"], "feedback": row["feedback"]} for row in rows]
        return {"kind": scoring.SHORT_TEXT, "options": options}
    is_multiple = signs == {"~"} and not any(row["weight"] == 100 for row in rows)
    return {"kind": scoring.MULTIPLE if is_multiple else scoring.SINGLE, "options": rows}


def _gift_option(part: str) -> dict[str, Any]:
    sign, rest = part[0], part[1:].strip()
    weight = 100.0 if sign == "=" else 0.0
    if given := _WEIGHT.match(rest):
        weight, rest = float(given[1]), rest[given.end() :]
    elif rest.startswith("%"):
        raise _LineError(BAD_WEIGHT)
    if not -100 <= weight <= 100:
        raise _LineError(BAD_WEIGHT)
    text, _, feedback = rest.partition("#")
    return {"text": _shown(text), "weight": weight, "feedback": _shown(feedback)}


def _gift_pair(row: dict[str, Any]) -> dict[str, Any]:
    text, _, key = row["text"].partition("->")
    if not key.strip():
        raise _LineError(BAD_PAIR)
    return {"text": text.strip(), "key": key.strip(), "weight": 0.0}


def _gift_numbers(inside: str) -> Iterator[dict[str, Any]]:
    for part in _PART.findall(inside) if inside.startswith("=") else [f"={inside}"]:
        row = _gift_option(part)
        first, between, last = row["text"].partition("..")
        if between:
            low, high = scoring.number(first), scoring.number(last)
            if low is None or high is None:
                raise _LineError(questions.BAD_NUMBER)
            key, tolerance = float((low + high) / 2), float(abs(high - low) / 2)
            yield {"key": f"{key:.10g}", "tolerance": tolerance, "weight": row["weight"], "feedback": row["feedback"]}
            continue
        key_text, _, off = row["text"].partition(":")
        tolerance_found = scoring.number(off) if off.strip() else None
        if scoring.number(key_text) is None or (off.strip() and tolerance_found is None):
            raise _LineError(questions.BAD_NUMBER)
        yield {
            "key": key_text.strip(),
            "tolerance": float(tolerance_found or 0),
            "weight": row["weight"],
            "feedback": row["feedback"],
        }


def _shown(text: str) -> str:
    for letter, hidden in _HIDDEN.items():
        text = text.replace(hidden, letter)
    return text.strip()


# The table: kind, question, right, and if wanted wrong, points, tolerance, explanation, title.

_COLUMNS = {"kind", "question", "right"}


def _of_table(text: str) -> Iterator[tuple[int, Any]]:
    head = text.split("\n", 1)[0]
    rows = csv.DictReader(io.StringIO(text), delimiter=";" if head.count(";") > head.count(",") else ",", strict=True)
    begin = 1
    try:
        names = {(name or "").strip().lower() for name in rows.fieldnames or ()}
        if not names >= _COLUMNS:
            raise _LineError(NO_COLUMN, 1)
        begin = rows.line_num + 1
        for row in rows:
            told = {(name or "").strip().lower(): (value or "").strip() for name, value in row.items() if name}
            if any(told.values()):
                yield begin, partial(_table_question, told)
            begin = rows.line_num + 1
    except csv.Error as fault:
        raise _LineError(UNCLOSED, begin) from fault


def _table_question(told: dict[str, str]) -> dict[str, Any]:
    kinds = {kind.casefold(): kind for kind in scoring.KINDS}
    kind = kinds.get(told["kind"].casefold())
    if kind is None:
        raise _LineError(BAD_KIND)
    points = scoring.number(told.get("points") or "1")
    if points is None or not 0 <= points <= 1000:
        raise _LineError(BAD_POINTS)
    question: dict[str, Any] = {
        "title": told.get("title", ""),
        "kind": kind,
        "body": told["question"],
        "points": float(points),
        "explanation": told.get("explanation", ""),
        "options": [],
    }
    rights, wrongs = _list(told["right"]), _list(told.get("wrong", ""))
    if kind == scoring.TRUE_FALSE:
        question["truth"] = {"true": questions.TRUE, "false": questions.FALSE}.get(told["right"].casefold(), "")
    elif kind in (scoring.SINGLE, scoring.MULTIPLE):
        question["options"] = [{"text": one, "weight": 100.0} for one in rights]
        question["options"] += [{"text": one, "weight": 0.0} for one in wrongs]
    elif kind == scoring.ORDERING:
        question["options"] = [{"text": one} for one in rights]
    elif kind == scoring.MATCHING:
        question["options"] = [{"text": one, "key": other} for one, other in map(_pair, rights)]
        # Some on the right may belong to nothing.
        question["options"] += [{"text": "", "key": one} for one in wrongs]
    elif kind == scoring.CLOZE:
        question["options"] = [{"gap": _gap(gap), "key": word} for gap, word in map(_pair, rights)]
    elif kind in scoring.WRITTEN:
        off = scoring.number(told.get("tolerance") or "0")
        if off is None:
            raise _LineError(questions.BAD_NUMBER)
        question["options"] = [{"key": one, "tolerance": float(off)} for one in rights]
    return question


def _list(text: str) -> list[str]:
    return [one.strip() for one in text.split("|") if one.strip()]


def _pair(text: str) -> tuple[str, str]:
    one, between, other = text.partition("=")
    if not (between and one.strip() and other.strip()):
        raise _LineError(BAD_PAIR)
    return one.strip(), other.strip()


def _gap(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 3):
        raise _LineError(BAD_PAIR)
    return int(text)
