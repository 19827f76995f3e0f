import pytest
from lms_app.services import checks

SOUP = '{"servings": 2, "ingredients": [{"name": "Water"}], "steps": [{"text": "Boil."}]}'
YOUTUBE = "https://youtu.be/dQw4w9WgXcQ"


@pytest.mark.parametrize(
    ("block", "lacks"),
    [
        ({"kind": "Rich Text", "body": "<p> </p>"}, [checks.NO_TEXT]),
        ({"kind": "Rich Text", "body": "<p>Hello</p>"}, []),
        ({"kind": "Markdown", "body": ""}, [checks.NO_TEXT]),
        ({"kind": "Image", "file": "f", "alt_text": " "}, [checks.NO_ALT_TEXT]),
        ({"kind": "Image", "file": "f", "alt_text": "A leek"}, []),
        ({"kind": "Image", "file": "f", "is_decorative": 1}, []),
        ({"kind": "Image", "alt_text": "A leek"}, [checks.NO_FILE]),
        ({"kind": "Video", "file": "f", "anchor": "a"}, [checks.NO_CAPTIONS]),
        ({"kind": "Video", "file": "f", "anchor": "captioned"}, []),
        ({"kind": "Video", "file": "f", "anchor": "a", "has_no_speech": 1}, []),
        ({"kind": "Video", "url": YOUTUBE, "title": "Leeks"}, [checks.NO_TRANSCRIPT]),
        ({"kind": "Video", "url": YOUTUBE, "transcript": "Cut."}, [checks.NO_TITLE]),
        ({"kind": "Video", "url": YOUTUBE, "title": "Leeks", "transcript": "Cut."}, []),
        ({"kind": "Video", "url": "https://example.com", "title": "x", "transcript": "y"}, [checks.NOT_EMBEDDABLE]),
        ({"kind": "Audio", "file": "f"}, [checks.NO_TRANSCRIPT]),
        ({"kind": "File", "file": "f"}, [checks.NO_TITLE]),
        ({"kind": "Code", "body": "<b>"}, []),
        ({"kind": "Code", "body": " \n"}, [checks.NO_TEXT]),
        ({"kind": "Markdown", "body": "`<b>`"}, []),
        ({"kind": "Callout", "body": None}, [checks.NO_TEXT]),
        ({"kind": "Embed", "url": YOUTUBE, "title": "Leeks"}, []),
        ({"kind": "Embed", "url": "https://example.com"}, [checks.NO_TITLE, checks.NOT_EMBEDDABLE]),
        ({"kind": "Recipe", "recipe": SOUP}, []),
        ({"kind": "Recipe", "recipe": "{}"}, [checks.BAD_RECIPE]),
    ],
)  # fmt: skip
def test_a_block_is_told_what_it_lacks(block, lacks):
    assert list(checks.of_block(block, {"captioned"})) == lacks


def test_every_kind_of_block_can_lack_something():
    kinds = ("Rich Text", "Markdown", "Image", "Video", "Audio", "File", "Code", "Callout", "Embed", "Recipe")
    assert all(list(checks.of_block({"kind": kind}, ())) for kind in kinds)


def test_a_lesson_without_blocks_is_none():
    assert checks.of_lesson({"kind": "Page"}, [], ()) == [(0, checks.NO_BLOCKS)]


def test_faults_are_counted_from_one_as_a_reader_would():
    blocks = [{"kind": "Code", "body": "x"}, {"kind": "Code"}]
    assert checks.of_lesson({"kind": "Page"}, blocks, ()) == [(2, checks.NO_TEXT)]


def test_a_lesson_completed_by_its_video_has_one_and_knows_its_length():
    lesson = {"kind": "Video", "completion_rule": "Video %"}
    text = {"kind": "Code", "body": "x"}
    video = {"kind": "Video", "file": "f", "has_no_speech": 1}
    assert checks.of_lesson(lesson, [text], ()) == [(0, checks.NO_VIDEO)]
    assert checks.of_lesson(lesson, [text, video], ()) == [(2, checks.NO_DURATION)]
    assert checks.of_lesson(lesson, [text, video | {"duration": 60}], ()) == []


def test_a_lesson_is_not_completed_by_a_video_at_another_host():
    lesson = {"kind": "Video", "completion_rule": "Video %"}
    elsewhere = {"kind": "Video", "url": YOUTUBE, "title": "Leeks", "has_no_speech": 1, "duration": 60}
    assert checks.of_lesson(lesson, [elsewhere], ()) == [(1, checks.NOT_SEEN)]
    assert checks.of_lesson(lesson | {"completion_rule": "View"}, [elsewhere], ()) == []
    # Where there are both, the file is what pages play.
    assert checks.of_lesson(lesson, [elsewhere | {"file": "f"}], ()) == []


def test_a_course_is_told_all_that_it_lacks():
    assert checks.of_course({"enrolment_mode": "Paid", "price": 10}, has_lead=False, has_lesson=False) == [
        checks.NO_SUMMARY,
        checks.NO_LEAD,
        checks.NO_LESSON,
        checks.NO_PRICE,
    ]
    whole = {"summary": "Soup.", "enrolment_mode": "Open"}
    assert checks.of_course(whole, has_lead=True, has_lesson=True) == []


def test_a_lesson_that_is_a_quiz_needs_one_and_no_blocks():
    assert checks.of_lesson({"kind": "Quiz"}, [], ()) == [(0, checks.NO_QUIZ)]
    assert checks.of_lesson({"kind": "Quiz", "quiz": "q", "completion_rule": "Quiz Passed"}, [], ()) == []
    page = {"kind": "Page", "completion_rule": "Quiz Passed"}
    assert checks.of_lesson(page, [{"kind": "Code", "body": "x"}], ()) == [(0, checks.NO_QUIZ)]


def test_a_lesson_to_hand_something_in_needs_its_assignment_and_no_blocks():
    for rule in ("Submitted", "Graded"):
        told = {"kind": "Assignment", "completion_rule": rule}
        assert checks.of_lesson(told, [], ()) == [(0, checks.NO_ASSIGNMENT)]
        assert checks.of_lesson({**told, "assignment": "a"}, [], ()) == []
