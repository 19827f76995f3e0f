import re

import frappe
from werkzeug.test import TestResponse

from lms_app.services import access, enrolment, people, question_bank, quiz_content, quiz_engine, quiz_form, scoring
from lms_app.tests import school
from lms_app.tests.browser import ask, key_of
from lms_app.tests.site_case import SiteTestCase

CANARY = "canary-of-what-is-right"
# A form of each kind, as its page sends it.
FORMS = {
    scoring.SINGLE: {"text-1": "Salt", "text-2": "Flour", "weight-2": "100", "feedback-1": "Too little of it."},
    scoring.MULTIPLE: {"text-1": "Salt", "weight-1": "50", "text-3": "Flour", "weight-3": "50", "text-4": "Sand"},
    scoring.TRUE_FALSE: {"truth": "False"},
    scoring.SHORT_TEXT: {"key-1": "gluten", "key-2": "Gluten network", "weight-2": "50", "is_case_sensitive": "1"},
    scoring.NUMERIC: {"key-1": "2,5", "tolerance-1": "0.1"},
    scoring.MATCHING: {"text-1": "volt", "key-1": "U", "text-2": "ampere", "key-2": "I", "key-3": "P"},
    scoring.ORDERING: {"text-1": "Mix", "text-2": "Knead", "text-3": "Bake"},
    scoring.CLOZE: {"gap-1": "1", "key-1": "Flour", "gap-2": "2", "key-2": "water"},
    scoring.ESSAY: {},
}
BODIES = {scoring.CLOZE: "[[1]] and [[2]]"}


def text(answer: TestResponse) -> str:
    return answer.get_data(as_text=True)


class TestQuestionPages(SiteTestCase):
    """Pages by real requests: what is made here is committed, and removed at the end."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        lead, helper = school.person("lead", access.INSTRUCTOR_ROLE), school.person("helper", access.ASSISTANT_ROLE)
        other = school.person("other", access.INSTRUCTOR_ROLE)
        named = [{"user": lead, "role": "Lead"}, {"user": helper, "role": "Assistant"}]
        cls.course = school.course(title="Bread", instructors=named)
        cls.foreign = school.course(title="Sauces", instructors=[{"user": other, "role": "Lead"}])
        cls.pupil = school.person("ada")
        cls.quiz = school.quiz(cls.course, {"options": [{"text": "No"}, {"text": CANARY, "weight": 100}]})
        cls.asked = cls.quiz.slots[0].question
        cls.keys = {"lead": lead, "helper": helper, "other": other, "pupil": cls.pupil}
        cls.keys = {who: key_of(user) for who, user in cls.keys.items()}
        cls.path = f"/teach/c/{cls.course.slug}/questions"
        cls.addClassCleanup(school.remove, [cls.course.name, cls.foreign.name])
        frappe.db.commit()

    def setUp(self):
        self.bank = question_bank.make_bank(self.course.name, "Dough")
        frappe.db.commit()

    def tearDown(self):
        frappe.db.rollback()
        for name in frappe.get_all("Academy Question", {"bank": self.bank}, pluck="name"):
            frappe.db.delete("Academy Question Option", {"parent": name})
            frappe.db.delete("Academy Question", {"name": name})
        frappe.db.delete("Academy Question Bank", {"name": self.bank})
        frappe.db.commit()

    def send(self, path: str, who: str = "lead", **values: str) -> TestResponse:
        answer = ask(f"{self.path}{path}", values, key=self.keys[who])
        frappe.db.rollback()
        return answer

    def see(self, path: str = "", who: str = "lead") -> str:
        return text(ask(f"{self.path}{path}", key=self.keys[who]))

    def written(self) -> list[str]:
        return frappe.get_all("Academy Question", {"bank": self.bank}, pluck="name")

    def test_a_bank_is_made_and_removed_while_nothing_is_in_it(self):
        answer = self.send("", title="Ovens")
        name = answer.location.rpartition("/")[2]
        self.assertIn("Ovens", self.see())
        self.assertIn("Nothing in this bank yet", self.see(f"/{name}"))
        self.assertEqual(self.send(f"/{name}", deed="remove_bank").location, f"{self.path}?said=removed")
        self.assertNotIn("Ovens", self.see())
        full = frappe.db.get_value("Academy Question", self.asked, "bank")
        self.assertEqual(self.send(f"/{full}", deed="remove_bank").status_code, 409)
        self.assertEqual(self.send("", title=" ").status_code, 409)

    def test_a_question_of_each_kind_is_written_and_changed_by_a_form(self):
        self.assertEqual({*FORMS}, {*scoring.KINDS})
        for kind, form in FORMS.items():
            body = BODIES.get(kind, f"What about {kind}?")
            self.assertIn('name="body"', self.see(f"/{self.bank}/q/new?kind={kind.replace(' ', '+')}"), kind)
            given = {"kind": kind, "body": body, "points": "2,5", "explanation": "So.", "is_partial": "1", **form}
            answer = self.send(f"/{self.bank}/q/new", **given)
            self.assertEqual((answer.status_code, answer.location), (303, f"{self.path}/{self.bank}?said=saved"), kind)
            question = frappe.get_last_doc("Academy Question", {"bank": self.bank, "kind": kind})
            self.assertEqual((question.body, question.points, question.explanation), (body, 2.5, "So."), kind)
            # What its own page shows, sent again, changes nothing.
            before = [row.as_dict(no_default_fields=True) for row in question.options]
            names = {row.name for row in question.options}
            page = question_bank.question(self.course.name, self.bank, question.name)
            again = {
                f"{field}-{number}": str(value)
                for number, row in enumerate(page.options, 1)
                for field, value in row.items()
            }
            given = {"kind": kind, "body": body, "points": "2.5", "is_partial": "1", "truth": page.truth or "", **again}
            given |= {"seen": page.seen}
            self.assertEqual(self.send(f"/{self.bank}/q/{question.name}", **given).status_code, 303, kind)
            question.reload()
            self.assertEqual([row.as_dict(no_default_fields=True) for row in question.options], before, kind)
            self.assertEqual({row.name for row in question.options}, names, "answers name options by their rows")
        self.assertEqual(len(self.written()), len(scoring.KINDS))

    def test_what_nobody_could_be_asked_is_refused_and_what_was_written_stays(self):
        for given, words in (
            ({"kind": "Single Choice", "body": "Which?", "text-1": "One <b>", "text-2": "Two"}, "no option is right"),
            ({"kind": "Numeric", "body": "How many?", "key-1": "lots"}, "this is no number"),
            ({"kind": "Numeric", "body": "How many?", "key-1": "1", "tolerance-1": "x"}, "this is no number"),
            ({"kind": "Short Text", "body": "Which?", "key-1": "a", "weight-1": "101"}, "from -100 to 100"),
            ({"kind": "Essay", "body": " "}, "the text is missing"),
            ({"kind": "Essay", "body": "Why?", "points": "many"}, "points must be a number"),
            ({"kind": "Essay", "body": "Why?", "points": ""}, "points must be a number"),
            ({"kind": "Essay", "body": "Why?", "points": "1e400"}, "points must be a number"),
            ({"kind": "Numeric", "body": "How many?", "key-1": "1", "tolerance-1": "1e400"}, "this is no number"),
            ({"kind": "Numeric", "body": "How many?", "key-1": "1", "tolerance-1": "1e20"}, "this is no number"),
            ({"kind": "Short Text", "body": "Which?", "key-1": "a", "weight-1": "1e400"}, "this is no number"),
            ({"kind": "Cloze", "body": "[[1]]", "key-1": "a", "gap-1": "2"}, "gaps"),
        ):
            answer = self.send(f"/{self.bank}/q/new", **{"points": "1", **given})
            self.assertEqual(answer.status_code, 409, given)
            self.assertIn(words, text(answer))
        answer = self.send(
            f"/{self.bank}/q/new", kind="Single Choice", body="Which?", points="1", **{"text-1": "One <b>"}
        )
        self.assertIn('value="One &lt;b&gt;"', text(answer))
        self.assertEqual(self.written(), [])

    def test_a_question_that_somebody_else_has_changed_is_not_overwritten_unasked(self):
        name = school.question(self.bank, kind="Essay", body="Why?", options=[]).name
        frappe.db.commit()
        path, given = f"/{self.bank}/q/{name}", {"kind": "Essay", "points": "1"}
        seen = re.findall(r'name="seen" value="([^"]+)"', self.see(path))[0]
        self.assertEqual(self.send(path, **given, seen=seen, body="Theirs?").status_code, 303)
        refused = self.send(path, **given, seen=seen, body="Mine?")
        self.assertEqual(refused.status_code, 409)
        self.assertIn("has saved this since you opened it", text(refused))
        self.assertIn("Mine?</textarea>", text(refused))
        self.assertEqual(frappe.db.get_value("Academy Question", name, "body"), "Theirs?")
        over = re.findall(r'name="over" value="([^"]+)"', text(refused))[0]
        self.assertEqual(self.send(path, **given, seen=seen, over=over, body="Mine?").status_code, 303)
        self.assertEqual(frappe.db.get_value("Academy Question", name, "body"), "Mine?")

    def test_more_rows_come_by_a_form_and_keep_what_was_written(self):
        given = {f"text-{number}": f"Option {number}" for number in range(1, 5)}
        page = text(
            self.send(f"/{self.bank}/q/new", kind="Single Choice", body="Which?", deed="more", points="1", **given)
        )
        self.assertIn('value="Option 4"', page)
        self.assertIn('name="text-8"', page)
        self.assertNotIn('name="text-9"', page)
        self.assertEqual(self.written(), [])

    def test_what_was_asked_or_is_in_a_quiz_stays(self):
        bank = frappe.db.get_value("Academy Question", self.asked, "bank")
        answer = self.send(f"/{bank}", deed="remove", question=self.asked)
        self.assertEqual(answer.status_code, 409)
        self.assertIn("A quiz asks for this", text(answer))
        free = school.question(self.bank).name
        frappe.db.commit()
        self.assertEqual(self.send(f"/{self.bank}", deed="remove", question=free).status_code, 303)
        self.assertEqual(self.written(), [])

    def test_questions_are_imported_after_a_look(self):
        path = f"/{self.bank}/import"
        wrong = text(self.send(path, deed="look", form="GIFT", text="A {=1 ~2}\n\nB {=x -> }"))
        self.assertIn("Line 3: a pair is incomplete", wrong)
        looked = text(self.send(path, deed="look", form="GIFT", text="Which is <i>counted</i>? {=Flour ~Salt}"))
        self.assertIn("Which is &lt;i&gt;counted&lt;/i&gt;?", looked)
        self.assertEqual(self.written(), [])
        table = "kind,question,right,wrong\nSingle Choice,Which?,Flour,Salt\nEssay,Why?,,"
        # Whoever sends what was not looked at, or was changed since, keeps the text and is told what is wrong with it.
        refused = self.send(path, deed="take", form="CSV", text=f"{table}\nEssay,,,")
        self.assertEqual(refused.status_code, 409)
        self.assertIn("Line 4: the text is missing", text(refused))
        self.assertIn("Essay,Why?,,\nEssay,,,</textarea>", text(refused))
        self.assertEqual(self.written(), [])
        answer = self.send(path, deed="take", form="CSV", text=table)
        self.assertEqual(answer.location, f"{self.path}/{self.bank}?said=imported&imported=2")
        self.assertEqual(len(self.written()), 2)

    def test_a_quiz_is_put_together_and_changed_by_a_form(self):
        first, second = (school.question(self.bank, body=f"Question {number}?").name for number in (1, 2))
        frappe.db.commit()
        quizzes = f"/teach/c/{self.course.slug}/quizzes"
        page = text(ask(f"{quizzes}/new", key=self.keys["lead"]))
        self.assertIn("Question 1?", page)
        given = {"title": "Last one", "pass_percent": "62,5", "time_limit": "20", "attempts": "2", "grading": "Last"}
        given |= {"review": "Marks", "review_when": "When Closed", "closes_on": "2030-01-01T10:00", "grace": "30"}
        given |= {"shuffle_options": "1", "what-1": f"question:{first}", "points-1": "2,5", "place-1": "1"}
        moved = {"what-2": f"question:{second}", "place-2": "1"}
        answer = ask(f"{quizzes}/new", {**given, **moved}, key=self.keys["lead"])
        self.assertEqual((answer.status_code, answer.location), (303, f"{self.path}?said=quiz"))
        frappe.db.rollback()
        quiz = frappe.get_doc("Academy Quiz", {"title": "Last one", "course": self.course.name})
        self.addCleanup(frappe.db.commit)
        self.addCleanup(frappe.delete_doc, "Academy Quiz", quiz.name, force=True)
        self.assertEqual([(row.question, row.points) for row in quiz.slots], [(second, 0), (first, 2.5)])
        self.assertEqual((quiz.pass_percent, quiz.time_limit, quiz.attempts, quiz.grading), (62.5, 20, 2, "Last"))
        self.assertEqual((quiz.review, quiz.review_when, quiz.shuffle_options), ("Marks", "When Closed", 1))
        self.assertIn("Last one", self.see())
        drawn = {"what-1": f"bank:{self.bank}", "count-1": "2", "points-1": "", "title": "Drawn"}
        page = text(ask(f"{quizzes}/{quiz.name}", key=self.keys["lead"]))
        drawn |= {"seen": re.findall(r'name="seen" value="([^"]+)"', page)[0]}
        self.assertEqual(ask(f"{quizzes}/{quiz.name}", {**given, **drawn}, key=self.keys["lead"]).status_code, 303)
        frappe.db.rollback()
        quiz.reload()
        self.assertEqual([(row.kind, row.bank, row.count) for row in quiz.slots], [("Random", self.bank, 2)])
        # Who had the page open since before is told, and keeps what was typed.
        refused = ask(f"{quizzes}/{quiz.name}", {**given, **drawn, "title": "Mine"}, key=self.keys["lead"])
        self.assertEqual(refused.status_code, 409)
        self.assertIn('value="Mine"', text(refused))
        over = {"over": re.findall(r'name="over" value="([^"]+)"', text(refused))[0]}
        answer = ask(f"{quizzes}/{quiz.name}", {**given, **drawn, **over, "title": "Mine"}, key=self.keys["lead"])
        self.assertEqual(answer.status_code, 303)
        self.assertIn('value="2030-01-01T10:00"', text(ask(f"{quizzes}/{quiz.name}", key=self.keys["lead"])))

    def test_a_page_of_a_quiz_names_each_question_once_however_many_rows_it_has(self):
        names = [school.question(self.bank, body=f"Question {number}?").name for number in range(4)]
        frappe.db.commit()
        new = f"/teach/c/{self.course.slug}/quizzes/new"
        rules = {"title": "Many", "grading": "Last", "review": "Marks", "review_when": "At Once"}
        form = {**rules, "what-1": f"bank:{self.bank}", "deed": "add", "add": names[:2]}
        page = text(ask(new, form, key=self.keys["lead"], files={}))
        rows = re.findall(r'<option value="([^"]+)" selected>', page)
        chosen = [f"bank:{self.bank}", *(f"question:{name}" for name in names[:2])]
        self.assertEqual([row for row in rows if ":" in row], chosen)
        for name in names:
            self.assertEqual(page.count(f'<option value="{name}">'), 1)
        # Whoever saves at once has added them as well.
        answer = ask(new, {**form, "what-1": "", "deed": "save"}, key=self.keys["lead"], files={})
        self.assertEqual(answer.status_code, 303)
        frappe.db.rollback()
        quiz = frappe.get_doc("Academy Quiz", {"title": "Many", "course": self.course.name})
        self.addCleanup(frappe.db.commit)
        self.addCleanup(frappe.delete_doc, "Academy Quiz", quiz.name, force=True)
        self.assertEqual([row.question for row in quiz.slots], names[:2])

    def test_a_quiz_is_removed_as_long_as_no_lesson_has_it_and_nobody_has_begun_it(self):
        quiz = school.quiz(self.course)
        lesson = frappe.db.get_value("Academy Lesson", {"quiz": quiz.name}, "name")
        pupil = school.person("cy")
        enrolled = enrolment.join(pupil, self.course.name)
        attempt = quiz_engine.start(pupil, quiz.name)
        people.give(enrolled.name, quiz.name, 5, 0, "", "")
        frappe.db.commit()
        path = f"/teach/c/{self.course.slug}/quizzes/{quiz.name}"
        self.assertIn("Remove the quiz", text(ask(path, key=self.keys["lead"])))
        for words, doctype, name in (
            ("Pupils have begun this quiz", "Academy Quiz Attempt", attempt),
            ("A lesson has this quiz", "Academy Lesson", lesson),
        ):
            answer = ask(path, {"deed": "remove"}, key=self.keys["lead"])
            self.assertEqual(answer.status_code, 409)
            self.assertIn(words, text(answer))
            frappe.db.rollback()
            frappe.db.delete(doctype, {"name": name})
            frappe.db.commit()
        answer = ask(path, {"deed": "remove"}, key=self.keys["lead"])
        self.assertEqual((answer.status_code, answer.location), (303, f"{self.path}?said=quiz-removed"))
        frappe.db.rollback()
        for doctype, field in (("Academy Quiz", "name"), ("Academy Override", "item")):
            self.assertFalse(frappe.db.exists(doctype, {field: quiz.name}))

    def test_a_quiz_that_cannot_be_is_refused_and_what_was_written_stays(self):
        school.question(self.bank)
        foreign = school.quiz(self.foreign).slots[0].question
        frappe.db.commit()
        whole = {"title": "Odd <one>", "grading": "Last", "review": "Marks", "review_when": "At Once"}
        for given, words in (
            ({"title": " "}, "the title is missing"),
            ({"pass_percent": "101"}, "from 0 to 100"),
            ({"attempts": "-1"}, "this is no number"),
            ({"attempts": "9" * 5000}, "this is no number"),
            ({"attempts": "0000000" + "9" * 12}, "this is no number"),
            ({"pass_percent": "1e400"}, "from 0 to 100"),
            ({"opens_on": "2030-01-01T10:00+01:00"}, "This is no day and time"),
            ({"grading": "Best"}, "Choose one of the list"),
            ({"opens_on": "soon"}, "This is no day and time"),
            ({"opens_on": "2030-01-02T10:00", "closes_on": "2030-01-01T10:00"}, "cannot close before it opens"),
            ({"what-1": f"question:{foreign}"}, "another course"),
            ({"what-1": "question:none"}, "the question or the bank is missing"),
            ({"what-1": f"bank:{self.bank}", "count-1": "9"}, "fewer questions"),
        ):
            answer = ask(f"/teach/c/{self.course.slug}/quizzes/new", {**whole, **given}, key=self.keys["lead"])
            self.assertEqual(answer.status_code, 409, given)
            self.assertIn(words, text(answer))
            if "title" not in given:
                self.assertIn('value="Odd &lt;one&gt;"', text(answer))
        frappe.db.rollback()
        self.assertFalse(frappe.db.exists("Academy Quiz", {"title": "Odd <one>"}))

    def test_a_quiz_is_put_together_by_nobody_else(self):
        given = {"course": self.course.name, "values": {"title": "x"}, "slots": []}
        for who in ("helper", "other", "pupil"):
            for name in ("new", self.quiz.name):
                answer = ask(f"/teach/c/{self.course.slug}/quizzes/{name}", key=self.keys[who])
                self.assertEqual(answer.status_code, 403)
            answer = ask("/api/method/lms_app.api.questions.save_quiz", given, key=self.keys[who])
            self.assertEqual(answer.status_code, 403)
        own = f"/teach/c/{self.foreign.slug}/quizzes/{self.quiz.name}"
        self.assertEqual(ask(own, key=self.keys["other"]).status_code, 404)
        given |= {"course": self.foreign.name, "quiz": self.quiz.name}
        answer = ask("/api/method/lms_app.api.questions.save_quiz", given, key=self.keys["other"])
        self.assertEqual((answer.status_code, answer.json["reason"]), (409, "foreign_question"))

    def test_a_bank_asks_two_queries_however_much_is_in_it(self):
        for number in range(30):
            school.question(self.bank, body=f"Question {number}?")
        with self.assertQueryCount(2):
            self.assertEqual(question_bank.bank(self.course.name, self.bank).total, 30)
        with self.assertQueryCount(1):
            question_bank.banks(self.course.name)
        for read in (quiz_form.listed, quiz_form.sources):
            with self.assertQueryCount(1):
                read(self.course.name)

    def test_nothing_of_it_is_for_helpers_for_teachers_of_other_courses_or_for_pupils(self):
        bank = frappe.db.get_value("Academy Question", self.asked, "bank")
        options = [{"text": "a", "weight": "100"}, {"text": "b"}]
        calls = (
            ("questions.make_bank", {"course": self.course.name, "title": "x"}),
            ("questions.remove_bank", {"bank": self.bank}),
            ("questions.save", {"bank": bank, "body": "x", "kind": "Single Choice", "options": options}),
            ("questions.save", {"bank": bank, "body": "x", "question": self.asked, "options": options}),
            ("questions.remove", {"question": self.asked}),
            ("questions.look", {"bank": bank, "text": "A {=1 ~2}", "form": "GIFT"}),
        )
        for who in ("helper", "other", "pupil"):
            for path in ("", f"/{bank}", f"/{bank}/import", f"/{bank}/q/{self.asked}", f"/{bank}/q/new?kind=Essay"):
                answer = ask(f"{self.path}{path}", key=self.keys[who])
                self.assertEqual(answer.status_code, 403, (who, path))
                self.assertNotIn(CANARY, text(answer))
            for name, given in calls:
                answer = ask(f"/api/method/lms_app.api.{name}", given, key=self.keys[who])
                self.assertEqual(answer.status_code, 403, (who, name))
            for path, given in (("", {"title": "x"}), (f"/{bank}/q/{self.asked}", {"body": "x", "points": "1"})):
                self.assertEqual(self.send(path, who=who, **given).status_code, 403, (who, path))
        self.assertIn(CANARY, self.see(f"/{bank}/q/{self.asked}"))

    def test_a_bank_and_a_question_of_another_course_are_not_found_by_this_one_s_address(self):
        bank = frappe.db.get_value("Academy Question", self.asked, "bank")
        own = f"/teach/c/{self.foreign.slug}/questions"
        for path in (f"/{bank}", f"/{bank}/q/{self.asked}", f"/{bank}/import"):
            answer = ask(f"{own}{path}", key=self.keys["other"])
            self.assertEqual(answer.status_code, 404, path)
            self.assertNotIn(CANARY, text(answer))
        mine = question_bank.make_bank(self.foreign.name, "Roux")
        frappe.db.commit()
        given = {"bank": mine, "question": self.asked, "body": "x", "options": []}
        answer = ask("/api/method/lms_app.api.questions.save", given, key=self.keys["other"])
        self.assertEqual((answer.status_code, answer.json["reason"]), (409, "foreign_question"))


class TestAsked(SiteTestCase):
    def test_a_question_that_is_changed_while_it_is_answered_is_graded_by_the_same_options(self):
        pupil, quiz = school.person("ada"), school.quiz(school.course())
        enrolment.join(pupil, quiz.course)
        attempt = quiz_engine.start(pupil, quiz.name)
        name = quiz.slots[0].question
        bank = frappe.db.get_value("Academy Question", name, "bank")
        shown = question_bank.question(quiz.course, bank, name)
        options = [{field: str(value) for field, value in row.items()} for row in shown.options]
        options[1]["text"] = "Flour, of course"
        question_bank.save(bank, name, {"body": "What is 100 %?", "points": 1}, options, shown.seen)
        row = frappe.db.get_value("Academy Quiz Answer", {"parent": attempt}, ["shown", "refs"], as_dict=True)
        flour = next(one["id"] for one in frappe.parse_json(row.shown)["items"] if one["text"] == "Flour")
        quiz_engine.save(pupil, attempt, 1, flour, 1)
        quiz_engine.submit(pupil, attempt)
        self.assertEqual(frappe.db.get_value(quiz_content.ATTEMPT, attempt, "percent"), 100)
        with school.told(frappe.ValidationError, "question_asked"):
            question_bank.remove(name)
