from hypothesis import given
from hypothesis import strategies as st
from lms_app.services import slugs


def test_a_slug_is_the_title_in_plain_words():
    assert slugs.slug_of("Straße & Crème brûlée: l'art (2)") == "strasse-creme-brulee-l-art-2"


def test_letters_of_other_scripts_stay():
    assert slugs.slug_of("مدخل إلى الطبخ") == "مدخل-إلى-الطبخ"
    assert slugs.slug_of("Основы Python") == "основы-python"


def test_a_long_title_ends_with_a_whole_word():
    slug = slugs.slug_of("word " * 40)
    assert len(slug) <= slugs.LONGEST
    assert {*slug.split("-")} == {"word"}


def test_a_title_without_words_has_a_slug_as_well():
    assert slugs.slug_of("?!") == slugs.NAMELESS


@given(st.text())
def test_a_slug_is_safe_in_an_address_and_the_same_when_made_again(title):
    slug = slugs.slug_of(title)
    assert slug
    assert len(slug) <= slugs.LONGEST
    assert not {*slug} & {*"/?#%&<>\"' .:;\\\n\t_"}
    assert not slug.startswith("-")
    assert not slug.endswith("-")
    assert slugs.slug_of(slug) == slug


@given(st.text(min_size=1), st.integers(0, 30))
def test_a_free_slug_is_nobody_else_s(title, number):
    wanted = slugs.slug_of(title)
    taken = set()
    for _ in range(number):
        slug = slugs.free(wanted, taken)
        assert slug not in taken
        assert len(slug) <= slugs.LONGEST
        taken.add(slug)
