"""A school with something to look at: a course with all that a course can have, and people at every point of it."""

import base64
import html
import re
import time
import wave
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import yaml
from playwright.sync_api import Browser, FilePayload
from visits import ADMINISTRATOR, INSTRUCTOR, School

TOLD = Path(__file__).with_name("soldering.yml")
TEACHER, DONE, WAITING, NEW, ASKING = "Hanna Weiss", "Ada Brandt", "Teo Rivera", "Noor Haddad", "Mei Lin"
# How many seconds the job may take that issues a certificate.
PATIENCE = 60
LONG_NAME = "five-joints-from-the-side-in-the-light-of-the-window-second-try.txt"
_LESSON_FILES = "/api/method/lms_app.api.teach_lesson.upload"
_WORK_FILES = "/api/method/lms_app.api.assignment.upload"

_DRAWING = """<body style="margin:0"><svg xmlns="http://www.w3.org/2000/svg" width="960" height="400">
<rect width="960" height="400" fill="#eef1f6"/><g fill="#2c6e49"><rect y="290" width="960" height="60"/></g>
<g fill="#c9873b"><rect x="110" y="278" width="260" height="14"/><rect x="590" y="278" width="260" height="14"/></g>
<path d="M120 278 C215 270 222 190 226 120 L254 120 C258 190 265 270 360 278 Z" fill="#9aa7b8"/>
<circle cx="720" cy="212" r="76" fill="#7d8794"/><g fill="#5b6470"><rect x="228" y="40" width="24" height="330"/>
<rect x="708" y="40" width="24" height="330"/></g></svg>"""
# A second of a film in which a drop becomes a joint, as the browser itself records it.
_FILM = """async () => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 320, height: 180 });
    const pen = canvas.getContext("2d");
    const recorder = new MediaRecorder(canvas.captureStream(10), { mimeType: "video/webm;codecs=vp8" });
    const parts = [];
    recorder.ondataavailable = ({ data }) => parts.push(data);
    const ended = new Promise((done) => (recorder.onstop = done));
    recorder.start();
    for (let step = 0; step <= 10; step++) {
        pen.fillStyle = "#eef1f6";
        pen.fillRect(0, 0, 320, 180);
        pen.fillStyle = "#9aa7b8";
        pen.beginPath();
        pen.moveTo(60, 130);
        pen.quadraticCurveTo(160, 130 - 10 * step, 260, 130);
        pen.fill();
        pen.fillStyle = "#c9873b";
        pen.fillRect(40, 130, 240, 12);
        await new Promise((done) => setTimeout(done, 60));
    }
    recorder.stop();
    await ended;
    const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
    return btoa(String.fromCharCode(...bytes));
}"""


@dataclass(frozen=True)
class Lively:
    """What was made.

    names: what the addresses of its pages are filled in with. people: by their names. courses: the documents.
    questions: those of its quiz, as they were told, in the order in which they are asked.
    """

    names: dict[str, str]
    people: dict[str, str]
    courses: tuple[str, ...]
    questions: list[dict[str, Any]]


def make(school: School) -> Lively:
    """Make the courses and the people; each of them has done what makes some page look as it does."""
    told = yaml.safe_load(TOLD.read_text(encoding="utf-8"))
    people = {name: school.person(name) for name in (DONE, WAITING, NEW, ASKING)}
    people[TEACHER] = school.person(TEACHER, "en", INSTRUCTOR)
    teacher = people[TEACHER]
    names = _course(school, told, teacher)
    for name in (DONE, WAITING, NEW):
        school.call_as(teacher, "enrolment.add", course=names["course"], user=people[name])
        school.call_as(people[name], "progress.beat", lesson=names["first_lesson"])
        school.call_as(people[name], "progress.complete", lesson=names["second_lesson"])
    wish = "I mend bicycles with my sister, and their lamps are next."
    school.call_as(people[ASKING], "enrolment.join", course=names["slug"], message=wish)
    link = {"course": names["course"], "max_uses": 30}
    names["invitation"] = school.call_as(teacher, "enrolment.invite", **link)["path"].rpartition("/")[2]
    of_waiting = {"course": names["course"], "student": school.named("Academy Student", user=people[WAITING])}
    names["enrollment"] = school.named("Academy Enrollment", **of_waiting)
    names |= _take_quiz(school, people, names["quiz"], told["questions"])
    names |= _hand_in(school, people, names)
    safe, names["certificate"] = _complete(school, told["completed"], people[DONE])
    return Lively(names, people, (names["course"], safe), told["questions"])


def _course(school: School, told: dict[str, Any], teacher: str) -> dict[str, str]:
    """Make the course, and return the names of what is in it."""
    lead = [{"user": teacher, "role": "Lead"}]
    subject = school.named("Academy Category", title="Electronics")
    course = school.make("Academy Course", category=subject, instructors=lead, **told["course"])
    of = {"course": course["name"]}
    bank = school.make("Academy Question Bank", title="Joints", **of)["name"]
    asked = [school.make("Academy Question", bank=bank, **question)["name"] for question in told["questions"]]
    slots = [{"kind": "Fixed", "question": name} for name in asked]
    rules = {"time_limit": 30, "pass_percent": 50, "shuffle_options": 0, "intro": "Nobody needs an iron for it."}
    quiz = school.make("Academy Quiz", title="Do you know a good joint?", slots=slots, **rules, **of)["name"]
    rubric = school.make("Academy Rubric", **told["rubric"], **of)
    task = school.make("Academy Assignment", rubric=rubric["name"], **told["assignment"], **of)["name"]
    lessons, module = [], ""
    for part in told["modules"]:
        inside = part.pop("lessons")
        if part.get("release_rule") == "After Module":
            part["release_after"] = module
        module = school.make("Academy Module", **part, **of)["name"]
        for lesson in inside:
            its = {"Quiz": {"quiz": quiz}, "Assignment": {"assignment": task}}.get(lesson.get("kind"), {})
            lessons.append(school.make("Academy Lesson", module=module, blocks=told["words"], **lesson, **its))
    blocks, captions = _with_files(school, told, teacher, lessons[1]["name"])
    for lesson in lessons:
        whole = {"blocks": blocks, "captions": captions} if lesson is lessons[1] else {}
        school.change("Academy Lesson", lesson["name"], status="Published", **whole)
    school.change("Academy Course", course["name"], status="Published")
    return {
        "course": course["name"],
        "slug": course["slug"],
        "bank": bank,
        "question": asked[0],
        "quiz": quiz,
        "rubric": rubric["name"],
        "assignment": task,
        "first_lesson": lessons[0]["name"],
        "second_lesson": lessons[1]["name"],
        "first": lessons[0]["slug"],
        "second": lessons[1]["slug"],
        "locked": lessons[-1]["slug"],
    }


def _with_files(
    school: School, told: dict[str, Any], teacher: str, lesson: str
) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """Return the blocks of the lesson that has all of them, with files in the place of their names, and captions."""
    picture, film = _recorded(school.browser)
    content = {
        "joints.png": picture,
        "joint.webm": film,
        "sponge.wav": _buzz(),
        "bench.txt": told["checklist"].encode(),
        "joint.vtt": told["captions"].encode(),
    }

    def sent(name: str, kind: str) -> str:
        file = FilePayload(name=name, mimeType="application/octet-stream", buffer=content[name])
        return str(school.upload_as(teacher, _LESSON_FILES, file, lesson=lesson, kind=kind)["file"])

    blocks = [
        block | ({"file": sent(block["file"], block["kind"])} if "file" in block else {}) for block in told["blocks"]
    ]
    [film_anchor] = [block["anchor"] for block in blocks if block["kind"] == "Video"]
    return blocks, [{"block": film_anchor, "language": "en", "label": "English", "file": sent("joint.vtt", "Captions")}]


def _recorded(browser: Browser) -> tuple[bytes, bytes]:
    """Return a picture and a film."""
    page = browser.new_page(viewport={"width": 960, "height": 400})
    page.set_content(_DRAWING)
    made = page.screenshot(), base64.b64decode(page.evaluate(_FILM))
    page.close()
    return made


def _buzz() -> bytes:
    """Return a sound."""
    written = BytesIO()
    with wave.open(written, "wb") as sound:
        sound.setparams((1, 1, 8000, 0, "NONE", "not compressed"))
        sound.writeframes(bytes(range(256)) * 16)
    return written.getvalue()


def _take_quiz(school: School, people: dict[str, str], quiz: str, questions: list[dict[str, Any]]) -> dict[str, str]:
    """Let one pupil have a graded attempt and another under way, and one an attempt that waits for a grade."""
    given = {1: "The pad and the wire", 3: "True", 4: "flux", 5: "350", 8: {"1": "clean", "2": "warm"}}
    essays = {
        DONE: "The joint was cold. It touched and carried current, until the board had been shaken often enough.",
        WAITING: "The solder was old.\nOr somebody pulled at the wire.",
    }
    attempts, last = {}, len(questions)
    for name, essay in essays.items():
        attempt = school.call_as(people[name], "quiz.start", quiz=quiz)["attempt"]
        page = school.read_as(people[name], f"/learn/attempt/{attempt}")
        for position, answer in {**given, last: essay}.items():
            if questions[position - 1]["kind"] in ("Single Choice", "True or False"):
                answer = _option(page, position, str(answer))
            its = {"attempt": attempt, "position": position, "seq": 1, "response": answer}
            school.call_as(people[name], "quiz.save_answer", **its)
        school.call_as(people[name], "quiz.submit", attempt=attempt)
        attempts[name] = attempt
    words = "Exactly: contact is no joint."
    grade = {"attempt": attempts[DONE], "position": last, "points": 3, "comment": words}
    school.call_as(people[TEACHER], "quiz.grade", **grade)
    under_way = school.call_as(people[DONE], "quiz.start", quiz=quiz)["attempt"]
    return {"graded": attempts[DONE], "essay": attempts[WAITING], "essay_at": str(last), "under_way": under_way}


def _option(page: str, position: int, words: str) -> str:
    """Return by what name an attempt knows an option."""
    found = re.search(rf'name="q{position}" value="([^"]+)"[^>]*> <span>{re.escape(html.escape(words))}</span>', page)
    assert found, words
    return found[1]


def _hand_in(school: School, people: dict[str, str], names: dict[str, str]) -> dict[str, str]:
    """Let one pupil have work that is graded, one work that waits, and one work that is not handed in."""
    its = {"assignment": names["assignment"], "version": 1}
    texts = {DONE: "1 to 4 are tents. 5 is a ball: I heat it again.", WAITING: "All five are good, I think.\n" * 6}
    work = {}
    for name in (DONE, WAITING, NEW):
        file = FilePayload(name=LONG_NAME, mimeType="text/plain", buffer=b"Five joints.")
        school.upload_as(people[name], _WORK_FILES, file, assignment=names["assignment"], version="1")
        if name in texts:
            school.call_as(people[name], "assignment.submit", **its, text=texts[name])
            student = school.named("Academy Student", user=people[name])
            work[name] = school.named("Academy Submission", assignment=names["assignment"], student=student)
    told = school.manage("GET", f"/api/resource/Academy Rubric/{names['rubric']}")["data"]
    best = {level["criterion"]: level["anchor"] for level in told["levels"]}
    levels = {one["anchor"]: best[one["title"]] for one in told["criteria"]}
    comments = {one["anchor"]: "The fifth shows that you looked." for one in told["criteria"][1:]}
    grade = {"submission": work[DONE], "levels": levels, "comments": comments, "feedback": "Show me the fifth again."}
    school.call_as(people[TEACHER], "assignment.grade", **grade)
    return {"submission": work[WAITING]}


def _complete(school: School, told: dict[str, Any], pupil: str) -> tuple[str, str]:
    """Let somebody complete a course; return it, and the code of the certificate."""
    lead = [{"user": ADMINISTRATOR, "role": "Lead", "is_shown": 0}]
    course = school.make("Academy Course", instructors=lead, **told)
    module = school.make("Academy Module", course=course["name"], title="Before the first wire")["name"]
    blocks = [{"kind": "Markdown", "body": "The red switch by the door takes the current from every bench."}]
    page = {"blocks": blocks, "status": "Published", "minutes": 10}
    lesson = school.make("Academy Lesson", module=module, title="The red switch", **page)["name"]
    school.change("Academy Course", course["name"], status="Published")
    school.call_as(pupil, "enrolment.join", course=course["slug"])
    school.call_as(pupil, "progress.complete", lesson=lesson)
    deadline, link = time.monotonic() + PATIENCE, re.compile(r'"/learn/me/certificates/([\w-]+)"')
    while not (found := link.search(school.read_as(pupil, "/learn/me/certificates"))):
        assert time.monotonic() < deadline, "no certificate is issued"
        time.sleep(0.5)
    return course["name"], found[1]
