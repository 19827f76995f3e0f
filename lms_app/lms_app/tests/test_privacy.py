import json
from unittest.mock import patch

import frappe

from lms_app.services import (
    access,
    assignment_grading,
    certificates,
    enrolment,
    invitations,
    notes,
    privacy,
    progress,
    quiz_engine,
    reasons,
    seals,
    students,
    submissions,
    traces,
)
from lms_app.tests import school
from lms_app.tests.site_case import SiteTestCase


def pointing_at(target):
    """Return each DocType of the app that has a link to another, by its fields."""
    names = frappe.get_all("DocType", {"module": "LMS App"}, pluck="name")
    fields = {
        name: [f.fieldname for f in frappe.get_meta(name).get_link_fields() if f.options == target] for name in names
    }
    return {name: found for name, found in fields.items() if found}


class TestPrivacy(SiteTestCase):
    def setUp(self):
        self.user, self.other = school.person("ada"), school.person("bo")
        self.course = school.course({}, {}, seats=1)
        self.lesson = school.lessons_of(self.course)[0]
        for user in (self.user, self.other):
            enrolment.join(user, self.course.name)
        progress.declare(self.user, self.lesson)
        notes.write(self.user, self.lesson, "my own words")
        invitations.invite(self.course.name, self.user)
        essay = {"kind": "Essay", "body": "Why?", "options": [], "explanation": "the right answer"}
        quiz = school.quiz(self.course, essay, review="Nothing")
        self.attempt = quiz_engine.start(self.user, quiz.name)
        quiz_engine.save(self.user, self.attempt, 1, "my own answer", 1)
        quiz_engine.submit(self.user, self.attempt)
        override = {"doctype": "Academy Override", "student": students.find(self.user), "course": self.course.name}
        override |= {"item_type": "Academy Quiz", "item": quiz.name, "extra_minutes": 10}
        frappe.get_doc(override).insert(ignore_permissions=True)
        made = school.assignment(self.course)
        submissions.attach(self.user, made.name, 1, "mine.txt", b"my own file")
        self.work = submissions.submit(self.user, made.name, 1, "my own work")
        kept = {"points": 3, "feedback": "what the teacher keeps", "is_told": False}
        assignment_grading.grade(self.work, "Administrator", **kept)
        completed = enrolment.join(self.user, school.course(issues_certificates=1).name).name
        school.completed(completed)
        self.code = certificates.issue(completed)

    def test_every_doctype_that_points_at_a_pupil_is_known_here(self):
        self.assertEqual(pointing_at("Academy Student"), {name: [field] for name, field in privacy.OF_STUDENT.items()})
        self.assertEqual(
            pointing_at("Academy Enrollment"), {name: [field] for name, field in privacy.OF_ENROLLMENT.items()}
        )
        staff = {
            "Academy Course Instructor": ["user"],
            "Academy Enrollment": ["decided_by"],
            "Academy Certificate": ["revoked_by"],
            "Academy Quiz Attempt": ["graded_by"],
            "Academy Submission": ["graded_by"],
        }
        self.assertEqual(pointing_at("User"), {"Academy Student": ["user"], **staff})

    def test_all_that_is_kept_can_be_taken_away(self):
        found = privacy.export(self.user)
        self.assertEqual(json.loads(json.dumps(found)), found)
        for doctype in ("Academy Student", *privacy.OF_STUDENT, *privacy.OF_ENROLLMENT, "Academy Invitation"):
            self.assertTrue(found[doctype], doctype)
        self.assertIn("my own words", json.dumps(found))
        self.assertIn("my own answer", json.dumps(found))
        self.assertNotIn("the right answer", json.dumps(found))
        [work] = found["Academy Submission"]
        self.assertEqual((work["text"], work["files"][0]["file_name"]), ("my own work", "mine.txt"))
        self.assertNotIn("what the teacher keeps", json.dumps(found))
        self.assertNotIn("points", work)
        self.assertNotIn("percent", found["Academy Quiz Attempt"][0])
        self.assertNotIn("token_hash", json.dumps(found))
        self.assertNotIn(self.other, json.dumps(found))

    def test_what_teachers_deleted_of_a_pupil_is_removed_with_the_rest_and_nobody_elses(self):
        for user in (self.user, self.other):
            override = {"doctype": "Academy Override", "student": students.find(user), "course": self.course.name}
            quiz = school.quiz(self.course)
            override |= {"item_type": "Academy Quiz", "item": quiz.name, "note": f"for {user}"}
            frappe.get_doc(override).insert(ignore_permissions=True).delete(ignore_permissions=True)
        privacy.erase(self.user, self.user)
        deleted = frappe.get_all("Deleted Document", {"deleted_doctype": "Academy Override"}, pluck="data")
        self.assertFalse([data for data in deleted if f"for {self.user}" in data])
        self.assertTrue([data for data in deleted if f"for {self.other}" in data])

    def test_all_that_is_kept_can_be_removed_and_the_seat_goes_on(self):
        student = students.find(self.user)
        privacy.erase(self.user, f" {self.user.upper()} ")
        self.assertIsNone(students.find(self.user))
        for doctype in privacy.OF_STUDENT:
            self.assertEqual(frappe.db.count(doctype, {"student": student}), 0, doctype)
        self.assertEqual(frappe.db.count("Academy Lesson Progress", {"course": self.course.name}), 0)
        self.assertEqual(frappe.db.count("Academy Quiz Answer", {"parent": self.attempt}), 0)
        self.assertEqual(frappe.db.count("File", {"attached_to_name": self.work}), 0)
        self.assertEqual(certificates.check(self.code), {"state": seals.UNKNOWN})
        self.assertNotIn(access.STUDENT_ROLE, frappe.get_roles(self.user))
        self.assertTrue(frappe.db.exists("User", self.user))
        self.assertEqual(access.enrolment_of(self.other, self.course.name).state, "Active")

    def test_what_staff_wrote_beside_a_pupil_s_rows_is_removed_with_them_and_nobody_else_s(self):
        others = [access.enrolment_of(self.other, self.course.name).name]
        own = {
            "Academy Student": [students.find(self.user)],
            "Academy Enrollment": [access.enrolment_of(self.user, self.course.name).name],
            "Academy Quiz Attempt": [self.attempt],
            "Academy Submission": [self.work],
        }
        for doctype, names in {**own, "Academy Enrollment": own["Academy Enrollment"] + others}.items():
            for name in names:
                self.write_beside(frappe.get_doc(doctype, name))
        privacy.erase(self.user, self.user)
        for doctype, names in own.items():
            self.assertEqual(self.beside(doctype, names), set(), doctype)
        written = {"Comment", "Communication", "DocShare", "Email Queue", "File", "Tag Link", "ToDo"}
        self.assertLessEqual(written, self.beside("Academy Enrollment", others))

    def test_what_is_about_no_single_document_stays(self):
        hook = frappe.get_doc(
            {
                "doctype": "Webhook",
                "name": "Academy tests",
                "__newname": "Academy tests",
                "webhook_doctype": "Academy Enrollment",
                "webhook_docevent": "on_update",
                "request_url": "https://crm.example/hook",
                "request_method": "POST",
            }
        ).insert()
        seen = frappe.get_doc({"doctype": "Access Log", "export_from": "Academy Enrollment", "user": self.other})
        seen.db_insert()
        privacy.erase(self.user, self.user)
        self.assertTrue(frappe.db.exists("Webhook", hook.name))
        self.assertTrue(frappe.db.exists("Access Log", seen.name))

    def test_files_leave_the_disk_when_nothing_else_is_left_to_remove(self):
        student = students.find(self.user)
        self.write_beside(frappe.get_doc("Academy Student", student))
        left = []
        real = frappe.delete_doc

        def noted(doctype, name, **how):
            left.append(self.beside("Academy Student", [student]) - {"File", "Comment"})
            return real(doctype, name, **how)

        with patch.object(frappe, "delete_doc", noted):
            privacy.erase(self.user, self.user)
        self.assertTrue(left)
        self.assertEqual([one for one in left if one], [])

    def test_what_staff_wrote_beside_a_row_that_stays_is_removed_as_well(self):
        row = access.enrolment_of(self.user, self.course.name)
        self.write_beside(frappe.get_doc("Academy Enrollment", row.name))
        enrolment.suspend(row.name, by="Administrator")
        privacy.erase(self.user, self.user)
        self.assertEqual(self.beside("Academy Enrollment", [row.name]), set())
        beside = frappe.db.get_value("Academy Enrollment", row.name, traces.BESIDE, as_dict=True)
        self.assertFalse(any(beside.values()), beside)

    def write_beside(self, doc):
        """Write into every place of which a desk lets its people make a row."""
        doc.add_comment("Comment", f"about {doc.name}")
        doc.add_tag("worried")
        frappe.share.add(doc.doctype, doc.name, self.other)
        about = {"reference_type": doc.doctype, "reference_name": doc.name}
        frappe.get_doc({"doctype": "ToDo", "description": "Call home", **about}).insert(ignore_permissions=True)
        about = {"reference_doctype": doc.doctype, "reference_name": doc.name}
        mail = {"doctype": "Communication", "subject": "About your child", "content": "…", **about}
        frappe.get_doc(mail).insert(ignore_permissions=True)
        frappe.get_doc({"doctype": "Email Queue", "message": "…", "sender": "a@example.com", **about}).db_insert()
        attached = {"attached_to_doctype": doc.doctype, "attached_to_name": doc.name, "is_private": 1}
        file = {"doctype": "File", "file_name": f"{doc.name}.txt", "content": doc.name, **attached}
        frappe.get_doc(file).insert(ignore_permissions=True)

    def beside(self, doctype, names):
        """Return of which DocTypes there is a row about one of these documents."""
        return {
            place.doctype
            for place in traces.places()
            if place.names and frappe.db.count(place.doctype, {place.field: doctype, place.names: ("in", names)})
        }

    def test_to_be_forgotten_lifts_no_suspension_and_brings_no_days_of_access(self):
        limited, gone = school.course(access_days=30), school.course(access_days=30)
        for course in (limited, gone):
            enrolment.join(self.user, course.name)
        end = access.enrolment_of(self.user, limited.name).expires_on
        enrolment.suspend(access.enrolment_of(self.user, self.course.name).name, by="Administrator")
        frappe.db.set_value("Academy Enrollment", {"course": gone.name}, "state", "Expired")
        privacy.erase(self.user, self.user)
        for course, reason in ((self.course, "already_enrolled"), (gone, "expired")):
            with school.told(reasons.RefusedError, reason):
                enrolment.join(self.user, course.name)
        self.assertEqual(access.enrolment_of(self.user, self.course.name).state, "Suspended")
        enrolment.join(self.user, limited.name)
        self.assertEqual(access.enrolment_of(self.user, limited.name).expires_on, end)

    def test_what_stays_for_that_says_nothing_else(self):
        enrolment.suspend(access.enrolment_of(self.user, self.course.name).name, by="Administrator")
        privacy.erase(self.user, self.user)
        found = privacy.export(self.user)
        [row] = [one for one in found["Academy Enrollment"] if one["course"] == self.course.name]
        self.assertEqual((row["state"], row["percent"], row["last_lesson"]), ("Suspended", 0, None))
        for doctype in ("Academy Lesson Progress", "Academy Note", "Academy Event", "Academy Invitation"):
            self.assertEqual(found[doctype], [], doctype)

    def test_nothing_is_removed_by_mistake(self):
        with self.assertRaises(reasons.RefusedError):
            privacy.erase(self.user, self.other)
        self.assertTrue(students.find(self.user))

    def test_somebody_who_never_joined_can_ask_as_well(self):
        nobody = school.person("eve")
        self.assertEqual(privacy.export(nobody)["Academy Student"], [])
        privacy.erase(nobody, nobody)
