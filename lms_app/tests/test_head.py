import pytest
from lms_app.services.head import Head


@pytest.mark.parametrize(
    ("address", "first_name", "last_name"),
    [
        ("marie.dupont@example.com", "Marie", "Dupont"),
        ("anna_maria-muster@example.com", "Anna", "Maria Muster"),
        ("head@example.com", "Head", ""),
        ("HEAD+school@example.com", "Head", "School"),
        ("...@example.com", "...@example.com", ""),
    ],
)
def test_a_head_is_called_by_what_the_address_says(address, first_name, last_name):
    words = Head.of(address).words
    assert (words["first_name"], words["last_name"]) == (first_name, last_name)


def test_a_heads_words_are_as_frappe_writes_them():
    assert Head.of("Marie.Dupont@Example.com").words == {
        "address": "marie.dupont@example.com",
        "full_name": "Marie Dupont",
        "first_name": "Marie",
        "last_name": "Dupont",
        "username": "marie",
    }


@pytest.mark.parametrize("address", ["o'brien@example.com", "élodie@example.com", "...@example.com", "a&b@example.com"])
def test_a_head_whom_frappe_may_write_otherwise_is_not_plain(address):
    assert not Head.of(address).is_plain
