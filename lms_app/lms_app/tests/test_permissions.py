import json

import frappe

from lms_app.services import (
    access,
    assignment_grading,
    certificates,
    invitations,
    notes,
    privacy,
    progress,
    quiz_engine,
    submissions,
)
from lms_app.services import enrolment as enrolments
from lms_app.tests import school
from lms_app.tests.browser import ask, key_of
from lms_app.tests.site_case import SiteTestCase

CANARY = "canary-of-the-permission-tests"

# What each role may ever do; a DocType that is not here fails, so that nobody forgets to decide.
NOBODY = frozenset[str]()
READ = frozenset({"read"})
WRITE = READ | {"write", "create", "delete"}
RULES = {
    "Academy Assignment": (READ, WRITE, WRITE),
    "Academy Category": (READ, READ, WRITE),
    "Academy Certificate": (READ, READ, READ),
    "Academy Certificate Template": (READ, READ, WRITE),
    "Academy Course": (READ, READ | {"write", "create"}, WRITE),
    "Academy Enrollment": (READ, READ, READ),
    "Academy Event": (READ, READ, READ),
    "Academy Invitation": (READ, READ, READ),
    "Academy Lesson": (READ, WRITE, WRITE),
    "Academy Lesson Progress": (READ, READ, READ),
    "Academy Module": (READ, WRITE, WRITE),
    "Academy Note": (NOBODY, NOBODY, NOBODY),
    "Academy Override": (READ, WRITE, WRITE),
    # Whoever may read them finds out what is right by filters, which Frappe does not ask for levels.
    "Academy Question": (NOBODY, WRITE, WRITE),
    "Academy Question Bank": (READ, WRITE, WRITE),
    "Academy Quiz": (READ, WRITE, WRITE),
    "Academy Quiz Attempt": (READ, READ, READ),
    "Academy Rubric": (READ, WRITE, WRITE),
    "Academy Settings": (NOBODY, NOBODY, NOBODY),
    "Academy Slug History": (READ, READ, READ),
    "Academy Student": (READ, READ, READ),
    "Academy Submission": (READ, READ, READ),
}
# What is at a level of its own: what is right, for those who may change it.
KEYS = {
    "Academy Question": {access.INSTRUCTOR_ROLE, access.MANAGER_ROLE, "System Manager"},
    # What comes first in everybody's catalogue is not for those to say whose course it is.
    "Academy Course": {access.MANAGER_ROLE, "System Manager"},
}
ROLES = (access.ASSISTANT_ROLE, access.INSTRUCTOR_ROLE, access.MANAGER_ROLE)
RIGHTS = ("read", "write", "create", "delete", "submit", "cancel", "amend", "import", "share")


def doctypes(**filters):
    return frappe.get_all("DocType", {"module": "LMS App", **filters}, pluck="name")


class TestRules(SiteTestCase):
    def test_every_doctype_has_a_rule_and_each_role_just_what_it_says(self):
        self.assertEqual({*RULES}, {*doctypes(istable=0)})
        for doctype, allowed in RULES.items():
            for role, rule in zip(ROLES, allowed, strict=True):
                rows = [row for row in frappe.get_meta(doctype).permissions if row.role == role]
                levels = {row.permlevel for row in rows}
                self.assertEqual(levels, {0, 1} if role in KEYS.get(doctype, ()) else {0} if rows else set(), doctype)
                has = {right for row in rows for right in RIGHTS if row.get(right)}
                self.assertEqual(has, rule, (doctype, role))

    def test_no_other_role_has_any(self):
        known = {*ROLES, "System Manager"}
        for doctype in doctypes():
            self.assertLessEqual({row.role for row in frappe.get_meta(doctype).permissions}, known, doctype)

    def test_every_doctype_with_rows_of_its_own_is_guarded(self):
        rows = {*doctypes(istable=0, issingle=0)}
        for hook, wanted in (("permission_query_conditions", {*doctypes(issingle=0)}), ("has_permission", rows)):
            guarded = {doctype for doctype, named in frappe.get_hooks(hook).items() if "lms_app" in str(named)}
            self.assertEqual(guarded, wanted, hook)

    def test_every_name_of_the_app_begins_with_academy(self):
        self.assertEqual([name for name in doctypes() if not name.startswith("Academy ")], [])
        self.assertEqual([role for role in access.ROLES if not role.startswith("Academy ")], [])


class TestDoors(SiteTestCase):
    """Frappe's own doors, by real requests: what is made here is committed, and removed at the end."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.courses = []
        cls.addClassCleanup(lambda: school.remove(cls.courses))
        block = {"kind": "Markdown", "body": CANARY}
        lead = school.person("canary-lead", access.INSTRUCTOR_ROLE)
        course = school.course(
            {"title": CANARY, "blocks": [block]},
            title=CANARY,
            outcomes=[{"outcome": CANARY}],
            instructors=[{"user": lead, "role": "Lead"}],
            issues_certificates=1,
        )
        cls.courses.append(course.name)
        lesson = school.lessons_of(course)[0]
        pupil = school.person("canary-pupil")
        enrolments.join(pupil, course.name)
        progress.beat(pupil, lesson, 0)
        notes.write(pupil, lesson, CANARY)
        invitations.invite(course.name, f"{CANARY}@example.com")
        secret = {"options": [{"text": CANARY, "feedback": CANARY}, {"text": "Flour", "key": CANARY, "weight": 100}]}
        quiz = school.quiz(course, {**secret, "body": CANARY, "explanation": CANARY}, title=CANARY, intro=CANARY)
        quiz_engine.start(pupil, quiz.name)
        given = {"student": frappe.db.get_value("Academy Student", {"user": pupil}, "name"), "note": CANARY}
        given |= {"course": course.name, "item_type": "Academy Quiz", "item": quiz.name}
        frappe.get_doc({"doctype": "Academy Override", **given}).insert(ignore_permissions=True)
        rubric = {"doctype": "Academy Rubric", "title": CANARY, "course": course.name}
        rubric |= {"criteria": [{"title": CANARY, "description": CANARY}]}
        rubric |= {"levels": [{"criterion": CANARY, "title": CANARY, "points": 2, "description": CANARY}]}
        rubric = frappe.get_doc(rubric).insert(ignore_permissions=True)
        told = {"title": CANARY, "instructions": CANARY, "rubric": rubric.name}
        work = submissions.submit(pupil, school.assignment(course, **told).name, 1, CANARY)
        chosen = {rubric.criteria[0].anchor: rubric.levels[0].anchor}
        comments = {rubric.criteria[0].anchor: CANARY}
        kept = {"levels": chosen, "comments": comments, "feedback": CANARY, "is_told": False}
        assignment_grading.grade(work, lead, **kept)
        course.reload()
        enrollment = access.enrolment_of(pupil, course.name).name
        school.completed(enrollment)
        certificates.issue(enrollment)
        course.slug = "canary-again"
        course.save(ignore_permissions=True)
        category = frappe.get_doc({"doctype": "Academy Category", "title": CANARY}).insert(ignore_permissions=True)
        cls.addClassCleanup(lambda: frappe.delete_doc("Academy Category", category.name, force=True))
        student = frappe.db.get_value("Academy Student", {"user": pupil}, "name")
        template = frappe.get_doc(
            {"doctype": certificates.TEMPLATE, "title": CANARY, "signatures": [{"person": CANARY}]}
        ).insert(ignore_permissions=True)
        cls.addClassCleanup(lambda: frappe.delete_doc(certificates.TEMPLATE, template.name, force=True))
        cls.rows = {"Academy Category": category.name, "Academy Course": course.name, "Academy Student": student}
        cls.rows["Academy Lesson"] = lesson
        cls.rows[certificates.TEMPLATE] = template.name
        for doctype in doctypes(istable=0, issingle=0):
            if doctype not in cls.rows:
                cls.rows[doctype] = frappe.db.get_value(doctype, {"course": course.name}, "name")
        others = school.course(title="Another course", instructors=[cls.row_of("other-lead", access.INSTRUCTOR_ROLE)])
        cls.courses.append(others.name)
        enrolments.join(school.person("enrolled"), course.name)
        cls.callers = {
            "guest": "",
            "another pupil of the course": key_of(school.person("enrolled")),
            "the pupil": key_of(pupil),
        }
        cls.strangers = {
            "the lead of another course": key_of(school.person("other-lead")),
            "an assistant of no course": key_of(school.person("assistant", access.ASSISTANT_ROLE)),
        }
        cls.own = key_of(lead)
        frappe.db.commit()

    @staticmethod
    def row_of(name, role):
        return {"user": school.person(name, role), "role": "Lead"}

    def doors(self, doctype, name):
        """Yield each of Frappe's ways to read a row: address, and what is posted."""
        fields = json.dumps(["*"])
        client = "/api/method/frappe.client"
        yield f"/api/resource/{doctype}/{name}", None
        yield f"/api/resource/{doctype}?fields={fields}&limit_page_length=0", None
        yield f"{client}.get", {"doctype": doctype, "name": name}
        yield f"{client}.get_list", {"doctype": doctype, "fields": ["*"], "limit_page_length": 0}
        yield f"{client}.get_value", {"doctype": doctype, "fieldname": "*", "filters": {"name": name}}
        yield f"{client}.get_count", {"doctype": doctype}
        yield "/api/method/frappe.desk.reportview.get", {"doctype": doctype, "fields": fields, "page_length": 50}
        yield "/api/method/frappe.desk.reportview.get_list", {"doctype": doctype, "fields": fields}
        yield (
            "/api/method/frappe.desk.reportview.export_query",
            {"doctype": doctype, "fields": fields, "title": "x", "file_format_type": "CSV", "view": "Report"},
        )
        yield "/api/method/frappe.desk.search.search_link", {"doctype": doctype, "txt": "", "page_length": 50}
        yield "/api/method/frappe.desk.form.load.getdoc", {"doctype": doctype, "name": name}
        yield f"{client}.validate_link", {"doctype": doctype, "docname": name, "fields": json.dumps(["*"])}
        desk = "/api/method/frappe.desk"
        yield f"{desk}.search.search_widget", {"doctype": doctype, "txt": "", "page_length": 50}
        yield f"{desk}.link_preview.get_preview_data", {"doctype": doctype, "docname": name}
        yield f"{desk}.listview.get_group_by_count", {"doctype": doctype, "current_filters": "[]", "field": "name"}
        yield f"{desk}.reportview.get_stats", {"doctype": doctype, "stats": json.dumps(["name"])}
        yield f"{desk}.reportview.get_count", {"doctype": doctype, "fields": "[]", "filters": "[]"}
        yield f"{desk}.treeview.get_children", {"doctype": doctype, "parent": ""}
        yield f"/printview?doctype={doctype}&name={name}", None
        yield f"/api/method/frappe.utils.print_format.download_pdf?doctype={doctype}&name={name}", None
        yield "/api/method/run_doc_method", {"dt": doctype, "dn": name, "method": "as_dict"}

    def changes(self, doctype, name):
        """Yield each of Frappe's ways to change a row: method, address, and what is sent."""
        client = "/api/method/frappe.client"
        yield "PUT", f"/api/resource/{doctype}/{name}", {"title": "Taken"}
        yield "DELETE", f"/api/resource/{doctype}/{name}", {}
        yield "POST", f"/api/resource/{doctype}", {"title": "Taken"}
        yield "POST", f"{client}.insert", {"doc": {"doctype": doctype, "title": "Taken"}}
        yield "POST", f"{client}.set_value", {"doctype": doctype, "name": name, "fieldname": "idx", "value": 7}
        yield "POST", f"{client}.delete", {"doctype": doctype, "name": name}
        yield "POST", f"{client}.rename_doc", {"doctype": doctype, "old_name": name, "new_name": "taken"}
        yield (
            "POST",
            "/api/method/frappe.desk.form.save.savedocs",
            {"doc": json.dumps({"doctype": doctype, "name": name, "title": "Taken"}), "action": "Save"},
        )
        yield "POST", "/api/method/frappe.desk.reportview.delete_items", {"doctype": doctype, "items": f'["{name}"]'}

    def assert_nothing(self, answer, name, what):
        text = answer.get_data(as_text=True)
        self.assertNotIn(CANARY, text, what)
        # What was asked for may be repeated in a refusal; rows may not.
        if answer.status_code < 400:
            told = answer.json if answer.is_json else text
            rows = told.get("message", told.get("data", told.get("docs"))) if isinstance(told, dict) else told
            self.assertNotIn(name, json.dumps(rows), what)
            self.assertIn(rows, (None, [], {}, 0, "", {"keys": [], "values": []}), what)

    def test_pupils_and_guests_read_nothing_through_any_door(self):
        for who, key in self.callers.items():
            for doctype, name in self.rows.items():
                for path, data in self.doors(doctype, name):
                    self.assert_nothing(ask(path, data, key=key), name, (who, doctype, path))

    def test_nobody_learns_a_title_by_a_link_or_by_guesses_in_the_place_of_a_name(self):
        door = "/api/method/frappe.desk.search.get_link_title"
        for doctype, name in self.rows.items():
            # What belongs to no course every teacher may choose from.
            others = {} if doctype in access.SHARED else self.strangers
            for who, key in {**self.callers, **others}.items():
                told = ask(door, {"doctype": doctype, "docname": name}, key=key)
                if told.status_code == 200:
                    self.assertEqual(told.json["message"], name, f"{doctype}, {who}")
                for guess in ([["name", "=", name]], {"name": ["like", f"{name[:3]}%"]}):
                    told = ask(door, {"doctype": doctype, "docname": guess}, key=key)
                    self.assertGreaterEqual(told.status_code, 400, f"{doctype}, {who}")
        told = ask(door, {"doctype": "Academy Course", "docname": self.rows["Academy Course"]}, key=self.own)
        self.assertEqual(told.json["message"], CANARY)

    def test_rows_inside_documents_are_no_way_round(self):
        for who, key in {**self.callers, **self.strangers}.items():
            for parent in ("Academy Course", *access.WITH_ROWS, certificates.TEMPLATE):
                for field in frappe.get_meta(parent).get_table_fields():
                    asked = {"doctype": field.options, "parent": parent, "fields": ["*"], "limit_page_length": 0}
                    for path in ("/api/method/frappe.client.get_list", "/api/method/frappe.desk.reportview.get"):
                        fields = {"fields": json.dumps(["*"])} if "reportview" in path else {}
                        answer = ask(path, {**asked, **fields}, key=key)
                        self.assertNotIn(CANARY, answer.get_data(as_text=True), (who, field.options, path))

    def assert_refused(self, answer, what):
        # Several are deleted at once, and those that cannot be are told in an answer that is none of an error.
        is_many = what[-1].endswith("delete_items") and "not allowed to delete" in answer.get_data(as_text=True)
        self.assertTrue(answer.status_code >= 400 or is_many, (*what, answer.get_data(as_text=True)))

    def test_pupils_and_guests_change_nothing_through_any_door(self):
        kept = {doctype: frappe.db.get_value(doctype, name, "*") for doctype, name in self.rows.items()}
        numbers = {doctype: frappe.db.count(doctype) for doctype in self.rows}
        for who, key in self.callers.items():
            for doctype, name in self.rows.items():
                for method, path, data in self.changes(doctype, name):
                    self.assert_refused(ask(path, data, method=method, key=key), (who, doctype, path))
        frappe.db.rollback()
        rows = {doctype: frappe.db.get_value(doctype, name, "*") for doctype, name in self.rows.items()}
        self.assertEqual(rows, kept)
        self.assertEqual({doctype: frappe.db.count(doctype) for doctype in self.rows}, numbers)

    def test_teachers_read_nothing_of_courses_that_do_not_name_them(self):
        for who, key in self.strangers.items():
            for doctype, name in self.rows.items():
                if doctype in access.SHARED:
                    continue
                for path, data in self.doors(doctype, name):
                    answer = ask(path, data, key=key)
                    text = answer.get_data(as_text=True)
                    self.assertNotIn(CANARY, text, (who, doctype, path))
                    # That one says no more than whether a name that somebody knows is one.
                    if answer.status_code < 400 and answer.is_json and not path.endswith("validate_link"):
                        self.assertNotIn(name, text, (who, doctype, path))

    def test_teachers_change_nothing_of_courses_that_do_not_name_them(self):
        kept = {doctype: frappe.db.get_value(doctype, name, "*") for doctype, name in self.rows.items()}
        for who, key in self.strangers.items():
            for doctype, name in self.rows.items():
                for method, path, data in self.changes(doctype, name):
                    if method == "POST" and name not in json.dumps(data):
                        continue
                    self.assert_refused(ask(path, data, method=method, key=key), (who, doctype, path))
        frappe.db.rollback()
        self.assertEqual(
            {doctype: frappe.db.get_value(doctype, name, "*") for doctype, name in self.rows.items()}, kept
        )

    def test_a_lesson_cannot_be_taken_by_writing_another_course_into_it(self):
        other = next(name for name in self.courses if name != self.rows["Academy Course"])
        own = frappe.db.get_value("Academy Module", {"course": other}, "name")
        for change in ({"course": other}, {"module": own}, {"course": other, "module": own}):
            for doctype in ("Academy Lesson", "Academy Module"):
                path = f"/api/resource/{doctype}/{self.rows[doctype]}"
                answer = ask(
                    path, {**change, "title": "Taken"}, method="PUT", key=self.strangers["the lead of another course"]
                )
                self.assertEqual(answer.status_code, 403, (doctype, change))

    def test_a_lesson_cannot_be_put_into_a_course_beside_one_s_own(self):
        own = next(name for name in self.courses if name != self.rows["Academy Course"])
        lesson = {"course": own, "module": self.rows["Academy Module"], "title": "Slipped in"}
        key = self.strangers["the lead of another course"]
        self.assertEqual(ask("/api/resource/Academy Lesson", lesson, key=key).status_code, 403)
        # The same with a module of one's own is what leads do.
        lesson["module"] = frappe.db.get_value("Academy Module", {"course": own}, "name")
        self.assertEqual(ask("/api/resource/Academy Lesson", lesson, key=key).status_code, 200)

    def test_the_lead_of_a_course_reads_and_changes_it(self):
        for doctype in ("Academy Course", "Academy Module", "Academy Lesson"):
            path = f"/api/resource/{doctype}/{self.rows[doctype]}"
            self.assertEqual(ask(path, key=self.own).status_code, 200, doctype)
            self.assertEqual(ask(path, {"idx": 1}, method="PUT", key=self.own).status_code, 200, doctype)
        for doctype in ("Academy Student", "Academy Enrollment", "Academy Lesson Progress", "Academy Certificate"):
            self.assertEqual(
                ask(f"/api/resource/{doctype}/{self.rows[doctype]}", key=self.own).status_code, 200, doctype
            )

    def test_no_lead_puts_a_course_before_all_others_in_the_catalogue(self):
        path = f"/api/resource/Academy Course/{self.rows['Academy Course']}"
        ask(path, {"is_featured": 1}, method="PUT", key=self.own)
        made = ask("/api/resource/Academy Course", {"title": "Mine first", "is_featured": 1}, key=self.own).json
        self.courses.append(made["data"]["name"])
        frappe.db.rollback()
        featured = {"name": ("in", [self.rows["Academy Course"], made["data"]["name"]]), "is_featured": 1}
        self.assertEqual(frappe.get_all("Academy Course", featured), [])

    def test_what_is_right_is_read_by_those_who_may_change_it_and_not_by_who_grades(self):
        grader = school.person("canary-grader", access.ASSISTANT_ROLE)
        row = {"doctype": "Academy Course Instructor", "parenttype": "Academy Course", "parentfield": "instructors"}
        row |= {"parent": self.rows["Academy Course"], "user": grader, "role": "Grader", "idx": 9}
        frappe.get_doc(row).db_insert()
        key = key_of(grader)
        frappe.db.commit()
        name = self.rows["Academy Question"]
        kept = ask(f"/api/resource/Academy Question/{name}", key=self.own).json["data"]
        self.assertEqual((kept["explanation"], kept["options"][0]["feedback"]), (CANARY, CANARY))
        self.assertEqual(ask(f"/api/resource/Academy Question/{name}", key=key).status_code, 403)
        guess = {"filters": [["Academy Question Option", "weight", ">", 0]]}
        for doctype, more in (("Academy Question", guess), ("Academy Question Option", {"parent": "Academy Question"})):
            asked = {"doctype": doctype, "fields": ["*"], "limit_page_length": 0, **more}
            self.assertEqual(ask("/api/method/frappe.client.get_list", asked, key=key).status_code, 403, doctype)

    def test_a_question_cannot_be_put_into_a_foreign_bank(self):
        key = self.strangers["the lead of another course"]
        other = next(name for name in self.courses if name != self.rows["Academy Course"])
        told = {"body": "Taken", "kind": "Essay", "bank": self.rows["Academy Question Bank"], "course": other}
        self.assertEqual(ask("/api/resource/Academy Question", told, key=key).status_code, 403)

    def test_nobody_but_the_pupil_reads_a_note(self):
        path = f"/api/resource/Academy Note/{self.rows['Academy Note']}"
        self.assertEqual(ask(path, key=self.own).status_code, 403)
        for who in ("System Manager", access.MANAGER_ROLE):
            key = key_of(school.person(who.lower().replace(" ", "-"), who))
            frappe.db.commit()
            for door, data in self.doors("Academy Note", self.rows["Academy Note"]):
                self.assert_nothing(ask(door, data, key=key), self.rows["Academy Note"], (who, door))
        self.assertEqual(notes.read(school.person("canary-pupil"), self.rows["Academy Lesson"]), CANARY)

    def test_no_permission_that_a_school_gives_opens_a_note(self):
        head = school.person("canary-head", "System Manager")
        note = frappe.get_doc("Academy Note", self.rows["Academy Note"])
        for right in ("read", "write", "delete", "export"):
            self.assertFalse(access.has_permission(note, right, head), right)
        self.assertEqual(access.query_conditions(head, "Academy Note"), "1=0")

    def test_the_hash_of_an_invitation_is_shown_to_nobody(self):
        answer = ask(f"/api/resource/Academy Invitation/{self.rows['Academy Invitation']}", key=self.own)
        self.assertEqual(answer.status_code, 200)
        self.assertNotIn("token_hash", answer.get_data(as_text=True))

    def test_every_row_here_is_somebody_s_to_take_away(self):
        self.assertIn(CANARY, json.dumps(privacy.export(school.person("canary-pupil"))))
