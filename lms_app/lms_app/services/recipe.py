"""Recipes: what a recipe block holds, read strictly, so that pages can count on it.

Pure: nothing here needs a site.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

# Those that must be told by law in the European Union (Regulation 1169/2011, annex II).
ALLERGENS = (
    *("gluten", "crustaceans", "eggs", "fish", "peanuts", "soybeans", "milk", "nuts"),
    *("celery", "mustard", "sesame", "sulphites", "lupin", "molluscs"),
)
MOST_ITEMS = 100
LONGEST_TEXT = 2000
LONGEST_TIMER_S = 7 * 24 * 3600


class InvalidRecipeError(ValueError):
    """Carry the path of what is wrong, such as `steps.2.timer`."""


@dataclass(frozen=True)
class Ingredient:
    """One line of the list; amount: for all servings, None for "some"."""

    name: str
    amount: float | None = None
    unit: str = ""


@dataclass(frozen=True)
class Step:
    """One step; timer: seconds to wait, 0 for none."""

    text: str
    timer: int = 0


@dataclass(frozen=True)
class Recipe:
    """A dish for so many servings."""

    servings: int
    ingredients: tuple[Ingredient, ...]
    steps: tuple[Step, ...]
    allergens: tuple[str, ...] = ()


def read(data: str | Mapping[str, Any] | None) -> Recipe:
    """Return the recipe of a JSON text or its object; raises InvalidRecipeError with the path of the first fault."""
    try:
        found = json.loads(data) if isinstance(data, str) else data
    except ValueError as fault:
        raise InvalidRecipeError("recipe") from fault
    if not isinstance(found, Mapping):
        raise InvalidRecipeError("recipe")
    for key in found:
        if key not in ("servings", "ingredients", "steps", "allergens"):
            raise InvalidRecipeError(str(key))
    allergens = found.get("allergens") or []
    if not isinstance(allergens, Sequence) or any(word not in ALLERGENS for word in allergens):
        raise InvalidRecipeError("allergens")
    return Recipe(
        servings=_whole(found.get("servings"), "servings", 1, 10_000),
        ingredients=tuple(_ingredient(item, path) for path, item in _items(found, "ingredients")),
        steps=tuple(_step(item, path) for path, item in _items(found, "steps")),
        allergens=tuple(word for word in ALLERGENS if word in allergens),
    )


def scaled(amount: float, servings: int, wanted: int) -> Fraction:
    """Return an amount for another number of servings, exactly."""
    return Fraction(str(amount)) * wanted / servings


def _items(found: Mapping[str, Any], key: str) -> list[tuple[str, Mapping[str, Any]]]:
    items = found.get(key)
    if not isinstance(items, list) or not 1 <= len(items) <= MOST_ITEMS:
        raise InvalidRecipeError(key)
    for number, item in enumerate(items, 1):
        if not isinstance(item, Mapping):
            raise InvalidRecipeError(f"{key}.{number}")
    return [(f"{key}.{number}", item) for number, item in enumerate(items, 1)]


def _ingredient(item: Mapping[str, Any], path: str) -> Ingredient:
    amount = item.get("amount")
    if amount is not None and (isinstance(amount, bool) or not isinstance(amount, int | float) or not 0 < amount < 1e6):
        raise InvalidRecipeError(f"{path}.amount")
    return Ingredient(
        name=_text(item.get("name"), f"{path}.name"),
        amount=amount,
        unit=_text(item.get("unit") or "", f"{path}.unit", may_be_empty=True),
    )


def _step(item: Mapping[str, Any], path: str) -> Step:
    return Step(
        text=_text(item.get("text"), f"{path}.text"),
        timer=_whole(item.get("timer") or 0, f"{path}.timer", 0, LONGEST_TIMER_S),
    )


def _text(value: Any, path: str, *, may_be_empty: bool = False) -> str:
    if not isinstance(value, str) or len(value) > LONGEST_TEXT or not (value.strip() or may_be_empty):
        raise InvalidRecipeError(path)
    return value.strip()


def _whole(value: Any, path: str, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InvalidRecipeError(path)
    return value
