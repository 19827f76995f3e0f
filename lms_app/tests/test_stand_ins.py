import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lms_app.services import stand_ins
from lms_app.services.head import Head
from lms_app.services.stand_ins import HEAD, MARKS, STAND_INS, TITLE

plain = st.from_regex(r"[a-z0-9]{1,8}([._+-][a-z0-9]{1,8}){0,2}", fullmatch=True)
pieces = st.sampled_from([*STAND_INS.values(), *MARKS, " ", "-", "a"])


def given_to(text, title, head):
    """Replace as the database does what `replaced` says: from the inside out."""
    new = stand_ins.replacements(title, head)
    sql = stand_ins.replaced("text", new)
    for was, key in re.findall(r"%\(was_(\w+)\)s, %\((\w+)\)s", sql):
        assert was == key
        text = text.replace(STAND_INS[key], new[key])
    return text


def in_one_pass(text, title, head):
    new = stand_ins.replacements(title, head)
    longest_first = sorted(new, key=lambda key: -len(STAND_INS[key]))
    pattern = "|".join(f"(?P<{key}>{re.escape(STAND_INS[key])})" for key in longest_first)
    return re.sub(pattern, lambda match: new[match.lastgroup], text)


@given(st.lists(st.sampled_from([*STAND_INS.values(), "Main", "<p>"]), max_size=5), st.lists(pieces, min_size=1), plain)
def test_nothing_is_replaced_within_what_was_put_in(words, title, local):
    head = Head.of(f"{local}@example.com")
    if stand_ins.can_stand_for(head):
        text = " - ".join(words)
        assert given_to(text, "".join(title), head) == in_one_pass(text, "".join(title), head)


def test_a_name_that_holds_the_initials_stays_as_it_is():
    assert given_to(f"{TITLE}, Main - {STAND_INS['initials']}", "QZJXK", None) == "QZJXK, Main - QZJ"


def test_without_a_head_only_the_company_is_replaced():
    assert stand_ins.replacements("Tech School", None) == {"initials": "TS", "title": "Tech School"}


@pytest.mark.parametrize("address", ["o'brien@example.com", HEAD.address, "vqxjz.dupont@example.com"])
def test_a_head_whose_user_cannot_be_had_by_words_alone_is_told_apart(address):
    assert not stand_ins.can_stand_for(Head.of(address))


def test_each_stand_in_bears_a_mark_in_whatever_form_it_is_written():
    for word in STAND_INS.values():
        assert any(mark in word.lower() for mark in MARKS)
    for word in (*TITLE.split()[:1], *HEAD.full_name.split()):
        assert word.lower() in MARKS
