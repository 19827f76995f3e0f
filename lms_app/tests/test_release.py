from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from lms_app.services import release
from lms_app.services.release import Lesson, Lock, Module, Rule

NOW = datetime(2026, 3, 2, 9, 0)
TOMORROW = NOW + timedelta(days=1)


def course(*modules):
    return [Module(name, rule, [Lesson(f"{name}{number}") for number in range(2)]) for name, rule in modules]


def test_a_module_without_a_rule_is_open():
    assert release.locks(course(("a", Rule())), (), NOW, NOW) == {"a0": None, "a1": None}


def test_a_module_opens_on_its_date_and_not_a_second_before():
    modules = course(("a", Rule(release.ON_DATE, on=TOMORROW)))
    second = timedelta(seconds=1)
    assert release.locks(modules, (), TOMORROW - second, NOW)["a0"] == Lock(release.NOT_BEFORE, until=TOMORROW)
    assert release.locks(modules, (), TOMORROW, NOW)["a0"] is None


def test_days_are_counted_from_each_pupil_s_own_enrolment():
    modules = course(("a", Rule(release.AFTER_DAYS, days=7)))
    joined = NOW - timedelta(days=6)
    assert release.locks(modules, (), NOW, joined)["a0"].until == TOMORROW
    assert release.locks(modules, (), NOW, joined - timedelta(days=1))["a0"] is None


def test_a_module_after_another_opens_when_all_required_lessons_of_that_are_completed():
    modules = [
        Module("a", lessons=[Lesson("a0"), Lesson("extra", is_required=False), Lesson("a1")]),
        Module("b", Rule(release.AFTER_MODULE, after="a"), [Lesson("b0")]),
    ]
    assert release.locks(modules, {"a0"}, NOW, NOW)["b0"] == Lock(release.MODULE_FIRST, by="a")
    assert release.locks(modules, {"a0", "a1"}, NOW, NOW)["b0"] is None


def test_a_module_that_is_gone_keeps_nobody_out():
    modules = course(("b", Rule(release.AFTER_MODULE, after="gone")))
    assert release.locks(modules, (), NOW, NOW)["b0"] is None


def test_in_order_each_lesson_waits_for_the_first_required_one_that_is_missing():
    modules = [Module("a", lessons=[Lesson("a0"), Lesson("extra", is_required=False), Lesson("a1"), Lesson("a2")])]
    found = release.locks(modules, {"a0"}, NOW, NOW, sequential=True)
    assert found["extra"] is None
    assert found["a1"] is None
    assert found["a2"] == Lock(release.LESSON_FIRST, by="a1")


def test_before_the_course_begins_only_previews_are_open():
    modules = [Module("a", lessons=[Lesson("a0"), Lesson("taste", is_preview=True)])]
    found = release.locks(modules, (), NOW, NOW, starts_on=TOMORROW)
    assert found == {"a0": Lock(release.NOT_BEFORE, until=TOMORROW), "taste": None}


def test_what_is_completed_stays_open_whatever_a_teacher_changes():
    modules = course(("a", Rule(release.ON_DATE, on=TOMORROW)))
    found = release.locks(modules, {"a1"}, NOW, NOW, starts_on=TOMORROW, sequential=True)
    assert found["a1"] is None
    assert found["a0"] is not None


def test_modules_that_wait_for_one_another_are_named():
    assert sorted(release.circle({"a": "b", "b": "c", "c": "a", "d": "a"})) == ["a", "b", "c"]
    assert release.circle({"a": "a"}) == ["a"]
    assert release.circle({"a": None, "b": "a", "c": "b"}) == []


rules = st.one_of(
    st.just(Rule()),
    st.builds(Rule, st.just(release.ON_DATE), on=st.datetimes(datetime(2026, 1, 1), datetime(2026, 6, 1))),
    st.builds(Rule, st.just(release.AFTER_DAYS), days=st.integers(0, 60)),
)


@st.composite
def courses(draw):
    modules = []
    for number in range(draw(st.integers(1, 5))):
        rule = draw(rules)
        if modules and draw(st.booleans()):
            rule = Rule(release.AFTER_MODULE, after=draw(st.sampled_from(modules)).name)
        lessons = [
            Lesson(f"{number}.{place}", draw(st.booleans()), draw(st.booleans()))
            for place in range(draw(st.integers(0, 4)))
        ]
        modules.append(Module(str(number), rule, lessons))
    return modules


@given(courses(), st.booleans())
def test_a_pupil_who_does_what_is_open_gets_to_the_end_once_all_dates_are_past(modules, sequential):
    late, completed = datetime(2027, 1, 1), set()
    while True:
        found = release.locks(modules, completed, late, NOW, sequential=sequential)
        opened = {name for name, lock in found.items() if lock is None} - completed
        if not opened:
            break
        completed |= opened
    assert completed == {lesson.name for module in modules for lesson in module.lessons}


@given(courses(), st.booleans(), st.data())
def test_completing_more_never_closes_anything(modules, sequential, data):
    names = [lesson.name for module in modules for lesson in module.lessons]
    completed = set(data.draw(st.lists(st.sampled_from(names)))) if names else set()
    before = release.locks(modules, completed, NOW, NOW, sequential=sequential)
    for more in names:
        after = release.locks(modules, completed | {more}, NOW, NOW, sequential=sequential)
        assert not [name for name in names if before[name] is None and after[name] is not None]
