import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lms_app.services import recipe

SOUP = {
    "servings": 4,
    "ingredients": [{"name": "Leeks", "amount": 3}, {"name": "Milk", "amount": 0.5, "unit": "l"}, {"name": "Salt"}],
    "steps": [{"text": "Cut the leeks."}, {"text": "Simmer.", "timer": 1200}],
    "allergens": ["milk"],
}


def test_a_recipe_is_read_from_json_and_from_an_object():
    found = recipe.read(json.dumps(SOUP))
    assert found == recipe.read(SOUP)
    assert found.ingredients[1] == recipe.Ingredient("Milk", 0.5, "l")
    assert found.steps[1].timer == 1200
    assert found.allergens == ("milk",)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"servings": 0}, "servings"),
        ({"servings": True}, "servings"),
        ({"servings": "4"}, "servings"),
        ({"allergens": ["gluten", "moonlight"]}, "allergens"),
        ({"allergens": "milk"}, "allergens"),
        ({"allergens": [["milk"]]}, "allergens"),
        ({"ingredients": []}, "ingredients"),
        ({"ingredients": [{"name": " "}]}, "ingredients.1.name"),
        ({"ingredients": [{"name": "Salt"}, {"name": "Milk", "amount": -1}]}, "ingredients.2.amount"),
        ({"ingredients": ["Salt"]}, "ingredients.1"),
        ({"steps": [{"text": "Cut."}, {"text": "Wait.", "timer": 10**9}]}, "steps.2.timer"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_fault_is_named_by_its_path(change, path):
    with pytest.raises(recipe.InvalidRecipeError, match=rf"^{path}$"):
        recipe.read(copy.deepcopy(SOUP) | change)


@pytest.mark.parametrize("data", [None, "", "{", "[]", "3", '"soup"'])
def test_what_is_no_recipe_is_refused(data):
    with pytest.raises(recipe.InvalidRecipeError):
        recipe.read(data)


def test_amounts_are_scaled_exactly():
    assert float(recipe.scaled(0.1, servings=4, wanted=12)) == 0.3


KEYS = st.sampled_from(["servings", "ingredients", "steps", "allergens", "name", "text"])
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text()


@given(st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner)))
def test_whatever_is_sent_is_read_or_refused(data):
    try:
        found = recipe.read(data)
    except recipe.InvalidRecipeError:
        return
    assert found.servings >= 1
