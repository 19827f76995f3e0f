import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lms_app.services import codes

numbers = st.integers(0, 2**codes.BITS - 1)
code = numbers.map(codes.write)


@given(numbers)
def test_a_code_has_four_groups_of_four_signs_that_nobody_confuses(number):
    assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){3}", codes.write(number))


@given(st.lists(numbers, unique=True, max_size=50))
def test_no_two_numbers_have_the_same_code(found):
    assert len({codes.write(number) for number in found}) == len(found)


def test_every_sign_stands_for_five_bits_so_that_none_is_drawn_more_often_than_another():
    assert len({*codes.ALPHABET}) == 32
    assert codes.SIGNS * 5 == codes.BITS
    assert codes.write(0) == "0000-0000-0000-0000"
    assert codes.write(2**codes.BITS - 1) == "ZZZZ-ZZZZ-ZZZZ-ZZZZ"


def test_what_is_drawn_is_another_one_each_time_and_uses_every_sign():
    drawn = [codes.draw() for _ in range(2000)]
    assert len({*drawn}) == len(drawn)
    signs = Counter("".join(drawn).replace("-", ""))
    assert {*signs} == {*codes.ALPHABET}
    # 1000 of each are expected, give or take 31: six times that happens once in a hundred million runs.
    assert all(abs(number - 1000) < 200 for number in signs.values())


@given(code)
def test_a_code_reads_back_as_it_was_drawn(drawn):
    assert codes.read(drawn) == drawn


@given(code, st.data())
def test_it_is_understood_however_people_write_it(drawn, data):
    between = st.sampled_from(["", "-", " ", "\u2013", " - ", "\u2011", "\t", "."])
    confused = {"0": "0Oo", "1": "1IiLl"}
    written = "".join(
        data.draw(between if sign == "-" else st.sampled_from(confused.get(sign, sign + sign.lower())))
        for sign in drawn
    )
    assert codes.read(f" {written}\n") == drawn


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "0000-0000-0000-000",
        "0000-0000-0000-00000",
        "U000-0000-0000-0000",
        "000\u00e9-0000-0000-0000",
        "\0" * 16,
    ],
)
def test_what_is_no_code_is_told_apart(text):
    assert codes.read(text) is None


@given(st.text(max_size=40))
def test_whatever_somebody_writes_is_a_code_or_none(text):
    found = codes.read(text)
    assert found is None or codes.read(found) == found


def test_digits_of_a_wide_typeface_are_digits():
    assert codes.read("\uff11\uff12\uff13\uff14-0000-0000-0000") == "1234-0000-0000-0000"
