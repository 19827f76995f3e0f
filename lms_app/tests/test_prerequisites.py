"""Courses that come before others make no circle."""

from hypothesis import given
from hypothesis import strategies as st
from lms_app.services import prerequisites

COURSES = st.sampled_from("abcdef")


def test_a_course_comes_before_itself_neither_at_once_nor_by_others():
    before = {"a": ["b"], "b": ["c"], "c": []}
    assert prerequisites.in_circles("c", ["a", "c", "d"], before) == ["a", "c"]
    assert prerequisites.in_circles("a", ["b", "c"], before) == []


def test_a_circle_that_is_there_already_ends_the_search():
    assert prerequisites.in_circles("c", ["a"], {"a": ["b"], "b": ["a"]}) == []


@given(st.lists(st.tuples(COURSES, COURSES), max_size=20))
def test_courses_that_are_let_in_one_by_one_always_leave_one_to_begin_with(pairs):
    before: dict[str, list[str]] = {}
    for course, wanted in pairs:
        if not prerequisites.in_circles(course, [wanted], before):
            before.setdefault(course, []).append(wanted)
    done: set[str] = set()
    for _ in range(6):
        done |= {course for course in "abcdef" if done.issuperset(before.get(course, []))}
    assert done == {*"abcdef"}
