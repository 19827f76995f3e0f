"""A lesson's blocks as its editor sends and shows them: each a flat list of texts, the same with and without scripts.

Pure: nothing here needs a site. Keys are those of the block's row; `caption.0.file`, `ingredient.0.name` and
`step.0.text` are the lines of what a block has several of, and `allergen.milk` is checked or not.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lms_app.services import markup, recipe

MOST_BLOCKS = 200
LONGEST = {"title": 140, "code_language": 40, "url": 2000, "alt_text": 1000}
TONES = ("Note", "Tip", "Warning")
# What each kind of block says beside its title; whatever else is sent is not kept.
FIELDS = {
    "Rich Text": ("body",),
    "Markdown": ("body",),
    "Image": ("file", "alt_text", "is_decorative"),
    "Video": ("file", "url", "duration", "has_no_speech", "transcript"),
    "Audio": ("file", "duration", "has_no_speech", "transcript"),
    "File": ("file",),
    "Code": ("body", "code_language"),
    "Callout": ("body", "tone"),
    "Embed": ("url",),
    "Recipe": ("recipe",),
}
CHECKS = frozenset({"is_decorative", "has_no_speech"})
_ANCHOR = re.compile(r"[\w-]{1,16}", re.ASCII)
_LINE = re.compile(r"(\w+)\.(\d{1,4})\.(\w+)", re.ASCII)

Form = Mapping[str, str]


class UnreadableError(ValueError):
    """Carry the reason why a block cannot be kept."""


@dataclass(frozen=True)
class Block:
    """One block: the values of its row, and the captions of a video (language, label, file)."""

    row: dict[str, Any]
    captions: list[dict[str, str]] = field(default_factory=list)


def read(form: Form) -> Block:
    """Return the block that a form says; raises UnreadableError for a kind that there is not, and for too long a text.

    What is unfinished is kept as it is: it is looked at when the lesson is published.
    """
    kind = form.get("kind", "")
    if kind not in FIELDS:
        raise UnreadableError("bad_block")
    anchor = form.get("anchor", "")
    row: dict[str, Any] = {"kind": kind, "title": _text(form, "title").strip()}
    row["anchor"] = anchor if _ANCHOR.fullmatch(anchor) else ""
    for name in FIELDS[kind]:
        row[name] = _value(form, name)
    captions = [
        {"language": line.get("language", ""), "label": line.get("label", "")[:140].strip(), "file": line["file"]}
        for line in _lines(form, "caption")
        if kind == "Video" and line.get("file") and line.get("remove") != "1"
    ]
    return Block(row, captions)


def written(row: Mapping[str, Any], captions: Sequence[Mapping[str, Any]] = ()) -> dict[str, str]:
    """Return the form of a block, from its row and the captions that belong to it."""
    form = {name: str(row.get(name) or "") for name in ("kind", "anchor", "title")}
    for name in FIELDS.get(form["kind"], ()):
        if name == "recipe":
            form |= _written_recipe(row.get(name))
        elif name in CHECKS:
            form[name] = "1" if row.get(name) else ""
        else:
            form[name] = str(row.get(name) or "")
    for number, caption in enumerate(captions):
        for name in ("language", "label", "file"):
            form[f"caption.{number}.{name}"] = str(caption.get(name) or "")
    return form


def lines(form: Form, name: str) -> list[dict[str, str]]:
    """Return the lines of what a block has several of, in their order, as they were sent."""
    return [*_lines(form, name)]


def _lines(form: Form, name: str) -> Iterator[dict[str, str]]:
    found: dict[int, dict[str, str]] = {}
    for key, value in form.items():
        if (match := _LINE.fullmatch(key)) and match[1] == name:
            found.setdefault(int(match[2]), {})[match[3]] = value
    yield from (found[number] for number in sorted(found))


def _value(form: Form, name: str) -> Any:
    if name == "recipe":
        return _recipe(form)
    if name in CHECKS:
        return int(form.get(name) == "1")
    if name == "duration":
        return int(given) if (given := form.get(name, "").strip()).isdecimal() and len(given) < 7 else 0
    if name == "tone":
        return tone if (tone := form.get(name, "")) in TONES else TONES[0]
    text = _text(form, name)
    return text if name == "body" else text.strip()


def _text(form: Form, name: str) -> str:
    text = form.get(name, "")
    if len(text) > LONGEST.get(name, markup.LONGEST_TEXT):
        raise UnreadableError("too_long")
    # Browsers send lines as mail does.
    return text.replace("\r\n", "\n")


def _recipe(form: Form) -> str:
    """Return the recipe of a form as JSON; nothing where nothing is written."""
    ingredients = []
    for line in _lines(form, "ingredient"):
        name, amount, unit = (line.get(key, "").strip() for key in ("name", "amount", "unit"))
        if name or amount:
            more = {"amount": _number(amount)} if amount else {}
            ingredients.append({"name": name, **more, **({"unit": unit} if unit else {})})
    steps = []
    for line in _lines(form, "step"):
        text, minutes = line.get("text", "").strip().replace("\r\n", "\n"), line.get("minutes", "").strip()
        if text or minutes:
            timer = _number(minutes) if minutes else 0
            steps.append({"text": text, "timer": timer if isinstance(timer, str) else round(timer * 60)})
    allergens = [word for word in recipe.ALLERGENS if form.get(f"allergen.{word}") == "1"]
    servings = form.get("servings", "").strip()
    if not (ingredients or steps or allergens or servings):
        return ""
    count = _number(servings)
    told = {"servings": int(count) if isinstance(count, float) and count.is_integer() else servings}
    data = json.dumps({**told, "ingredients": ingredients, "steps": steps, "allergens": allergens}, ensure_ascii=False)
    if len(data) > markup.LONGEST_TEXT:
        raise UnreadableError("too_long")
    return data


def _written_recipe(data: Any) -> dict[str, str]:
    """Return the form of a recipe, as far as it can be read."""
    try:
        found = json.loads(data) if isinstance(data, str) else data
    except ValueError:
        found = None
    if not isinstance(found, Mapping):
        return {}
    form = {"servings": str(found.get("servings") or "")}
    for number, item in enumerate(_mappings(found.get("ingredients"))):
        form[f"ingredient.{number}.name"] = str(item.get("name") or "")
        form[f"ingredient.{number}.amount"] = _shown(item.get("amount"))
        form[f"ingredient.{number}.unit"] = str(item.get("unit") or "")
    for number, item in enumerate(_mappings(found.get("steps"))):
        timer = item.get("timer")
        form[f"step.{number}.text"] = str(item.get("text") or "")
        form[f"step.{number}.minutes"] = _shown(timer / 60 if isinstance(timer, int | float) else timer)
    form |= {f"allergen.{word}": "1" for word in recipe.ALLERGENS if word in (found.get("allergens") or ())}
    return form


def _mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    yield from (item for item in (value if isinstance(value, list) else ()) if isinstance(item, Mapping))


def _number(text: str) -> float | str:
    """Return a number that was written with a point or a comma; the text itself if it is none."""
    plain = text.replace(",", ".", 1)
    return float(plain) if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", plain, re.ASCII) else text


def _shown(number: Any) -> str:
    if isinstance(number, int | float) and not isinstance(number, bool):
        return f"{round(number, 4):.4f}".rstrip("0").rstrip(".") if number else ""
    return str(number or "")
