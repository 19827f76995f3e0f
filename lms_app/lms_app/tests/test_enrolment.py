from collections import Counter
from functools import partial
from unittest.mock import patch

import frappe
from frappe.utils import add_days, get_url, now_datetime

from lms_app.services import (
    access,
    catalogue,
    enrolment,
    invitations,
    notes,
    people,
    progress,
    reasons,
    students,
    teacher_mails,
)
from lms_app.tests import school
from lms_app.tests.parallel import at_once
from lms_app.tests.school_case import CommittedCase, SchoolCase


class EnrolmentCase(SchoolCase):
    def state(self, user, course):
        found = access.enrolment_of(user, course.name)
        return found.state if found else None

    def counters(self, course):
        fields = ["learner_count", "taken_seats", "waiting_count"]
        return tuple(frappe.db.get_value("Academy Course", course.name, fields))


class TestJoining(EnrolmentCase):
    def test_whoever_joins_an_open_course_is_in_it_at_once_and_is_a_pupil(self):
        course, user = school.course(), school.person("ada")
        self.assertEqual(enrolment.join(user, course.name).state, "Active")
        self.assertEqual(self.counters(course), (1, 1, 0))
        self.assertIn(access.STUDENT_ROLE, frappe.get_roles(user))
        log = frappe.get_all("Academy Event", {"course": course.name}, ["verb", "object_type", "object_name"])
        self.assertEqual(log, [{"verb": "registered", "object_type": "Academy Course", "object_name": course.name}])

    def test_nobody_joins_twice(self):
        course, user = school.course(), school.person("ada")
        enrolment.join(user, course.name)
        with self.refused("already_enrolled"):
            enrolment.join(user, course.name)

    def test_a_course_that_is_closed_for_now_says_so(self):
        later, before = add_days(now_datetime(), 1), add_days(now_datetime(), -1)
        for values, reason in (
            ({"enrol_from": later}, "enrolment_not_open"),
            ({"enrol_until": before}, "enrolment_closed"),
            ({"enrolment_mode": "Invite"}, "invite_only"),
            ({"enrolment_mode": "Cohort Only"}, "by_cohort"),
            ({"enrolment_mode": "Paid", "price": 10, "currency": "EUR"}, "must_pay"),
        ):
            with self.refused(reason):
                enrolment.join(school.person("ada"), school.course(**values).name)

    def test_courses_that_come_first_have_to_be_completed(self):
        first = school.course({"completion_rule": "View"})
        second = school.course(prerequisites=[{"requires": first.name}])
        user = school.person("ada")
        with self.refused("prerequisites"):
            enrolment.join(user, second.name)
        enrolment.join(user, first.name)
        progress.beat(user, school.lessons_of(first)[0], 0)
        self.assertEqual(self.state(user, first), "Completed")
        self.assertEqual(enrolment.join(user, second.name).state, "Active")

    def test_courses_that_build_on_each_other_in_a_circle_are_refused(self):
        first = school.course(title="Stocks")
        second = school.course(title="Soups", prerequisites=[{"requires": first.name}])
        third = school.course(prerequisites=[{"requires": second.name}])
        third.append("prerequisites", {"requires": first.name})
        third.save(ignore_permissions=True)
        for builds_on, words in ((first, "before itself"), (second, "“Soups” builds on"), (third, "builds on")):
            first.reload()
            first.append("prerequisites", {"requires": builds_on.name})
            with self.assertRaisesRegex(frappe.ValidationError, words):
                first.save(ignore_permissions=True)

    def test_days_of_access_are_counted_from_the_day_of_joining_and_end_it(self):
        course, user = school.course(access_days=30), school.person("ada")
        enrolment.join(user, course.name)
        end = access.enrolment_of(user, course.name).expires_on
        self.assertEqual((end - now_datetime()).days, 29)
        frappe.db.set_value("Academy Enrollment", {"course": course.name}, "expires_on", add_days(now_datetime(), -1))
        with patch.object(frappe.db, "commit"):
            enrolment.expire_overdue()
        self.assertEqual(self.state(user, course), "Expired")
        self.assertEqual(self.counters(course), (0, 0, 0))
        with self.refused("expired"):
            enrolment.join(user, course.name)
        self.assertEqual(enrolment.add(course.name, user, by="Administrator").state, "Active")

    def test_an_access_that_cannot_be_ended_keeps_no_other_open(self):
        names = [
            enrolment.join(user, school.course(access_days=1).name).name
            for user in (school.person(name) for name in ("ada", "bo", "cy"))
        ]
        expires = add_days(now_datetime(), -1)
        frappe.db.set_value("Academy Enrollment", {"name": ("in", names)}, "expires_on", expires)
        whole = enrolment.lock

        def lock(course):
            if course == frappe.db.get_value("Academy Enrollment", names[1], "course"):
                frappe.throw("broken")
            return whole(course)

        kept = (patch.object(frappe.db, name) for name in ("commit", "rollback"))
        with next(kept), next(kept), patch.object(enrolment, "lock", lock):
            enrolment.expire_overdue()
        states = [frappe.db.get_value("Academy Enrollment", name, "state") for name in names]
        self.assertEqual(states, ["Expired", "Active", "Expired"])

    def test_days_lead_to_a_date_that_there_is(self):
        course = school.course()
        for days in (-1, 36501, 9_999_999):
            with self.assertRaises(frappe.ValidationError):
                course.update({"access_days": days}).save()
            with self.assertRaises(frappe.ValidationError):
                school.module(course, release_rule="Days After Enrolment", release_days=days)
        course.reload()
        course.update({"access_days": 36500}).save()
        school.module(course, release_rule="Days After Enrolment", release_days=36500)
        enrolment.join(school.person("ada"), course.name)
        self.assertTrue(catalogue.course_page(course.slug, school.person("ada")))

    def test_whoever_left_may_come_back_and_finds_what_they_did(self):
        course, user = school.course({}, {}), school.person("ada")
        enrolment.join(user, course.name)
        progress.declare(user, school.lessons_of(course)[0])
        enrolment.leave(user, course.name)
        self.assertEqual(self.state(user, course), "Cancelled")
        enrolment.join(user, course.name)
        self.assertEqual(frappe.db.count("Academy Enrollment", {"course": course.name}), 1)
        self.assertEqual(access.enrolment_of(user, course.name).percent, 50)

    def test_whoever_leaves_and_comes_back_has_the_days_that_are_left(self):
        course, user = school.course({}, {}, access_days=30), school.person("ada")
        enrolment.join(user, course.name)
        begun, end = add_days(now_datetime(), -20), add_days(now_datetime(), 10)
        row = {"course": course.name}
        frappe.db.set_value("Academy Enrollment", row, {"activated_on": begun, "expires_on": end})
        enrolment.leave(user, course.name)
        enrolment.join(user, course.name)
        found = access.enrolment_of(user, course.name)
        self.assertEqual((found.state, found.activated_on, found.expires_on), ("Active", begun, end))
        enrolment.leave(user, course.name)
        frappe.db.set_value("Academy Enrollment", row, "expires_on", add_days(now_datetime(), -1))
        self.assertEqual(catalogue.course_page(course.slug, user).joining.reason, "expired")
        with self.refused("expired"):
            enrolment.join(user, course.name)
        enrolment.add(course.name, user, by="Administrator")
        self.assertEqual((access.enrolment_of(user, course.name).expires_on - now_datetime()).days, 29)

    def test_nobody_waits_on_for_more_days_than_they_had(self):
        course = school.course(access_days=30, seats=1)
        ada, bo = school.person("ada"), school.person("bo")
        enrolment.join(ada, course.name)
        enrolment.leave(ada, course.name)
        enrolment.join(bo, course.name)
        self.assertEqual(enrolment.join(ada, course.name).state, "Waitlisted")
        student = students.find(ada)
        yesterday = add_days(now_datetime(), -1)
        frappe.db.set_value("Academy Enrollment", {"course": course.name, "student": student}, "expires_on", yesterday)
        with patch.object(frappe.db, "commit"):
            enrolment.expire_overdue()
        self.assertEqual(self.state(ada, course), "Expired")

    def test_a_completed_course_that_somebody_left_is_completed_when_they_come_back(self):
        course = school.course({"completion_rule": "View"}, seats=1)
        ada, bo = school.person("ada"), school.person("bo")
        enrolment.join(ada, course.name)
        progress.beat(ada, school.lessons_of(course)[0], 0)
        enrolment.leave(ada, course.name)
        enrolment.join(bo, course.name)
        # They take no seat, so they need not wait for one.
        self.assertEqual(enrolment.join(ada, course.name).state, "Completed")
        found = access.enrolment_of(ada, course.name)
        self.assertEqual((found.state, found.percent), ("Completed", 100))
        self.assertTrue(found.completed_on)
        self.assertEqual(self.counters(course), (2, 1, 0))

    def test_whoever_is_suspended_cannot_leave_and_come_back(self):
        course, user = school.course(), school.person("ada")
        name = enrolment.join(user, course.name).name
        enrolment.suspend(name, by="Administrator")
        with self.refused("suspended"):
            enrolment.leave(user, course.name)
        with self.refused("already_enrolled"):
            enrolment.join(user, course.name)
        enrolment.resume(name, by="Administrator")
        self.assertEqual(self.state(user, course), "Active")


class TestApproval(EnrolmentCase):
    def setUp(self):
        self.course = school.course(enrolment_mode="Approval", seats=1)
        self.ada, self.bo = school.person("ada"), school.person("bo")

    def test_a_request_waits_for_the_school_and_takes_no_seat(self):
        self.assertEqual(enrolment.join(self.ada, self.course.name, "Please.").state, "Pending Approval")
        self.assertEqual(self.counters(self.course), (0, 0, 0))

    def test_an_accepted_request_gets_a_seat_or_a_place_in_the_queue(self):
        names = [enrolment.join(user, self.course.name).name for user in (self.ada, self.bo)]
        states = [enrolment.decide(name, accept=True, by="Administrator") for name in names]
        self.assertEqual(states, ["Active", "Waitlisted"])
        with self.refused("not_pending"):
            enrolment.decide(names[0], accept=False, by="Administrator")

    def test_nobody_is_accepted_into_a_course_that_was_taken_back_and_anybody_can_be_declined(self):
        name = enrolment.join(self.ada, self.course.name).name
        frappe.db.set_value("Academy Course", self.course.name, "status", "Draft")
        with self.refused("not_published"):
            enrolment.decide(name, accept=True, by="Administrator")
        self.assertEqual(enrolment.decide(name, accept=False, by="Administrator"), "Cancelled")
        with self.refused("not_published"):
            enrolment.join(self.ada, self.course.name)

    def test_a_declined_request_keeps_the_school_s_words_and_may_be_made_again(self):
        name = enrolment.join(self.ada, self.course.name).name
        self.assertEqual(enrolment.decide(name, accept=False, by="Administrator", answer="Next year."), "Cancelled")
        self.assertEqual(frappe.db.get_value("Academy Enrollment", name, "answer"), "Next year.")
        self.assertEqual(enrolment.join(self.ada, self.course.name).state, "Pending Approval")


class TestInvitations(EnrolmentCase):
    def setUp(self):
        self.course = school.course(enrolment_mode="Invite", visibility="Private")
        self.ada, self.bo = school.person("ada"), school.person("bo")

    def test_an_invitation_lets_in_once_and_only_whom_it_is_for(self):
        token = invitations.invite(self.course.name, self.ada)
        self.assertEqual(invitations.look(token).reason, "")
        with self.refused("invitation_for_another"):
            invitations.accept(self.bo, token)
        self.assertEqual(invitations.accept(self.ada, token).state, "Active")
        self.assertEqual(invitations.look(token).reason, "invitation_used")

    def test_a_link_for_many_lets_in_as_many_as_it_says(self):
        token = invitations.invite(self.course.name, max_uses=2)
        for name in ("ada", "bo"):
            invitations.accept(school.person(name), token)
        with self.refused("invitation_used"):
            invitations.accept(school.person("cy"), token)

    def test_a_link_for_many_gives_nobody_their_days_twice(self):
        self.course.access_days = 30
        self.course.save()
        token = invitations.invite(self.course.name, max_uses=5)
        invitations.accept(self.ada, token)
        enrolment.leave(self.ada, self.course.name)
        row, yesterday = {"course": self.course.name}, add_days(now_datetime(), -1)
        end = frappe.db.get_value("Academy Enrollment", row, "expires_on")
        self.assertEqual(invitations.accept(self.ada, token).state, "Active")
        self.assertEqual(frappe.db.get_value("Academy Enrollment", row, "expires_on"), end)
        enrolment.leave(self.ada, self.course.name)
        frappe.db.set_value("Academy Enrollment", row, "expires_on", yesterday)
        with self.refused("expired"):
            invitations.accept(self.ada, token)
        self.assertEqual(invitations.accept(self.ada, invitations.invite(self.course.name)).state, "Active")

    def test_its_token_is_kept_nowhere(self):
        token = invitations.invite(self.course.name)
        row = frappe.db.get_value("Academy Invitation", {"course": self.course.name}, "*", as_dict=True)
        self.assertNotIn(token, str(row))
        self.assertEqual(len(row.token_hash), 64)

    def test_what_is_over_or_taken_back_lets_nobody_in(self):
        token = invitations.invite(self.course.name)
        name = frappe.db.get_value("Academy Invitation", {"course": self.course.name}, "name")
        frappe.db.set_value("Academy Invitation", name, "expires_on", add_days(now_datetime(), -1))
        with self.refused("invitation_expired"):
            invitations.accept(self.ada, token)
        invitations.revoke(name)
        with self.refused("invitation_revoked"):
            invitations.accept(self.ada, token)
        with self.refused("invitation_unknown"):
            invitations.accept(self.ada, token + "x")

    def test_nobody_is_invited_to_a_course_that_is_not_open(self):
        token = invitations.invite(self.course.name)
        for status in ("Draft", "In Review", "Archived"):
            self.course.reload()
            self.course.status = status
            self.course.save()
            with self.refused("not_published"):
                invitations.invite(self.course.name)
            with self.refused("not_published"):
                invitations.accept(self.ada, token)
            self.assertEqual(invitations.look(token).reason, "not_published")

    def test_it_makes_no_seat(self):
        self.course.seats = 1
        self.course.save()
        token = invitations.invite(self.course.name, max_uses=2)
        states = [invitations.accept(user, token).state for user in (self.ada, self.bo)]
        self.assertEqual(states, ["Active", "Waitlisted"])

    def test_numbers_out_of_range_are_refused(self):
        for values in ({"max_uses": 0}, {"max_uses": 501}, {"days": 0}, {"days": 366}):
            with self.assertRaises(frappe.ValidationError):
                invitations.invite(self.course.name, **values)


class TestSeats(EnrolmentCase):
    def setUp(self):
        self.course = school.course({"completion_rule": "View"}, seats=1)
        self.people = [school.person(name) for name in ("ada", "bo", "cy")]
        self.states = [enrolment.join(user, self.course.name).state for user in self.people]

    def test_the_queue_moves_in_its_order_whenever_a_seat_becomes_free(self):
        ada, bo, cy = self.people
        self.assertEqual(self.states, ["Active", "Waitlisted", "Waitlisted"])
        enrolment.leave(ada, self.course.name)
        self.assertEqual([self.state(user, self.course) for user in (bo, cy)], ["Active", "Waitlisted"])
        self.assertEqual(self.counters(self.course), (1, 1, 1))

    def test_whoever_completes_the_course_makes_room(self):
        ada, bo, _ = self.people
        progress.beat(ada, school.lessons_of(self.course)[0], 0)
        self.assertEqual([self.state(user, self.course) for user in (ada, bo)], ["Completed", "Active"])
        self.assertEqual(self.counters(self.course), (2, 1, 1))

    def test_more_seats_are_given_as_soon_as_the_course_is_saved(self):
        self.course.reload()
        self.course.seats = 2
        self.course.save()
        self.assertEqual(self.counters(self.course), (2, 2, 1))

    def test_a_form_with_old_numbers_does_not_write_them_back(self):
        old = frappe.get_doc("Academy Course", self.course.name)
        old.taken_seats, old.waiting_count, old.lesson_count = 0, 0, 9
        old.save()
        self.assertEqual(self.counters(self.course), (1, 1, 2))
        self.assertEqual(frappe.db.get_value("Academy Course", self.course.name, "lesson_count"), 1)

    def test_without_a_waitlist_whoever_comes_late_is_told(self):
        course = school.course(seats=1, has_waitlist=0)
        enrolment.join(self.people[0], course.name)
        with self.refused("full"):
            enrolment.join(self.people[1], course.name)


class TestMails(EnrolmentCase):
    def mails(self, course, user):
        with patch("frappe.sendmail") as send, patch.dict(frappe.conf, {"mail_server": "localhost"}):
            enrolment.join(user, course.name)
        return [(call.kwargs["recipients"], call.kwargs["subject"]) for call in send.call_args_list]

    def test_a_pupil_is_told_and_a_request_is_told_to_the_lead(self):
        ada, lead = school.person("ada"), school.person("lead")
        self.assertEqual(self.mails(school.course(title="Soups"), ada), [([ada], "You are enrolled: Soups")])
        asked = self.mails(school.course(title="Sauces", enrolment_mode="Approval"), ada)
        self.assertEqual(asked, [([ada], "We have your request: Sauces"), ([lead], "A request for Sauces")])

    def test_every_mail_about_a_request_leads_to_a_page_that_its_reader_can_open(self):
        ada, lead = school.person("ada"), school.person("lead", access.INSTRUCTOR_ROLE)
        course = school.course(enrolment_mode="Approval")
        with patch("frappe.sendmail") as send, patch.dict(frappe.conf, {"mail_server": "localhost"}):
            name = enrolment.join(ada, course.name).name
        addresses = [call.kwargs["args"]["address"] for call in send.call_args_list]
        own, of_requests = f"/learn/c/{course.slug}", f"/teach/c/{course.slug}/people?group=requests"
        self.assertEqual(addresses, [get_url(own), get_url(of_requests)])
        self.assertEqual([row.name for row in people.listed(course.name, group="requests").rows], [name])
        access.to_edit(lead, course.name)

    def test_a_pupil_is_told_what_a_teacher_does_about_their_place(self):
        ada, course = school.person("ada"), school.course(title="Soups")
        name = enrolment.join(ada, course.name).name
        with patch("frappe.sendmail") as send, patch.dict(frappe.conf, {"mail_server": "localhost"}):
            enrolment.suspend(name, by="Administrator")
            enrolment.resume(name, by="Administrator")
            enrolment.remove(name, by="Administrator")
        subjects = [call.kwargs["subject"] for call in send.call_args_list if call.kwargs["recipients"] == [ada]]
        suspended, again, gone = "Your access is suspended", "You may learn again", "You are not in the course any more"
        self.assertEqual(subjects, [f"{said}: Soups" for said in (suspended, again, gone)])
        # Who leaves knows it.
        name = enrolment.join(ada, course.name).name
        with patch("frappe.sendmail") as send, patch.dict(frappe.conf, {"mail_server": "localhost"}):
            enrolment.leave(ada, course.name)
        self.assertEqual(send.call_count, 0)

    def test_a_lead_who_wants_no_mails_about_requests_gets_none(self):
        ada, lead = school.person("ada"), school.person("lead-without-mails", access.INSTRUCTOR_ROLE)
        teacher_mails.prefer(lead, {teacher_mails.REQUESTS: False})
        wanted = {teacher_mails.REQUESTS: False, teacher_mails.WORK: True}
        self.assertEqual(teacher_mails.preferences(lead), wanted)
        named = [{"user": lead, "role": "Lead"}]
        asked = self.mails(school.course(title="Sauces", enrolment_mode="Approval", instructors=named), ada)
        self.assertEqual(asked, [([ada], "We have your request: Sauces")])

    def test_whoever_wants_no_mails_gets_none(self):
        ada = school.person("dora")
        students.prefer(ada, {"mails_about_enrolment": False})
        self.assertEqual(self.mails(school.course(), ada), [])
        self.assertEqual(students.preferences(ada), {"mails_about_enrolment": False, "mails_about_progress": True})

    def test_a_mail_is_in_the_language_of_whoever_gets_it_and_the_site_s_stays(self):
        ada = school.person("fleur")
        frappe.db.set_value("User", ada, "language", "fr")
        heard = []
        with patch("lms_app.services.notify._send", lambda *_, **__: heard.append(frappe.local.lang)):
            enrolment.join(ada, school.course().name)
        self.assertEqual((heard, frappe.local.lang), (["fr"], "en"))

    def test_a_name_in_a_mail_is_text(self):
        html = frappe.render_template(
            "templates/emails/academy_mail.html",
            {"name": "<script>x</script>", "sentences": ["{{ 7 * 7 }}"], "school": "A & B", "address": ""},
        )
        self.assertNotIn("<script>", html)
        self.assertIn("{{ 7 * 7 }}", html)
        self.assertIn("A &amp; B", html)


class TestAtOnce(EnrolmentCase, CommittedCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.people = [school.person(f"crowd{number}") for number in range(12)]

    def course(self, *lessons, **values):
        made = school.course(*lessons, **values)
        self.courses.append(made.name)
        frappe.db.commit()
        return made

    def states(self, course):
        frappe.db.rollback()
        return Counter(frappe.get_all("Academy Enrollment", {"course": course.name}, pluck="state"))

    def test_seats_are_never_oversold(self):
        course = self.course(seats=3)
        at_once([partial(enrolment.join, user, course.name) for user in self.people])
        self.assertEqual(self.states(course), {"Active": 3, "Waitlisted": 9})
        self.assertEqual(self.counters(course), (3, 3, 9))

    def test_a_free_seat_goes_to_one_of_those_who_wait(self):
        course = self.course(seats=3)
        for user in self.people:
            enrolment.join(user, course.name)
        frappe.db.commit()
        at_once([partial(enrolment.leave, user, course.name) for user in self.people[:3]])
        self.assertEqual(self.states(course), {"Cancelled": 3, "Active": 3, "Waitlisted": 6})
        first = [self.state(user, course) for user in self.people[3:6]]
        self.assertEqual(first, ["Active"] * 3)

    def test_a_hasty_pupil_is_enrolled_once(self):
        course = self.course()
        found = at_once([partial(enrolment.join, self.people[0], course.name) for _ in range(8)])
        refused = [one for one in found if isinstance(one, reasons.RefusedError)]
        self.assertEqual(len(refused), 7, found)
        self.assertEqual(self.states(course), {"Active": 1})

    def test_an_invitation_for_one_lets_one_in(self):
        course = self.course(enrolment_mode="Invite")
        token = invitations.invite(course.name)
        frappe.db.commit()
        at_once([partial(invitations.accept, user, token) for user in self.people])
        self.assertEqual(self.states(course), {"Active": 1})

    def test_the_last_lessons_completed_at_once_complete_the_course_once(self):
        course = self.course(*[{} for _ in range(6)])
        user = self.people[0]
        enrolment.join(user, course.name)
        frappe.db.commit()
        found = at_once([partial(progress.declare, user, lesson) for lesson in school.lessons_of(course)])
        self.assertEqual(max(one.percent for one in found), 100)
        self.assertEqual(self.states(course), {"Completed": 1})
        completed = {"course": course.name, "verb": "completed", "object_type": "Academy Course"}
        self.assertEqual(frappe.db.count("Academy Event", completed), 1)

    def test_two_windows_of_one_lesson_count_the_time_once(self):
        course = self.course()
        user, [lesson] = self.people[0], school.lessons_of(course)
        enrolment.join(user, course.name)
        progress.beat(user, lesson, 0)
        frappe.db.set_value("Academy Lesson Progress", {"lesson": lesson}, "last_beat", add_days(now_datetime(), -1))
        frappe.db.commit()
        at_once([partial(progress.beat, user, lesson, 15) for _ in range(6)])
        frappe.db.rollback()
        self.assertEqual(frappe.db.get_value("Academy Lesson Progress", {"lesson": lesson}, "seconds"), 15)

    def test_windows_that_open_a_lesson_or_save_a_first_note_at_once_are_all_answered(self):
        user = self.people[0]
        for rule, state in (("Manual", "Active"), ("View", "Completed")):
            course = self.course({"completion_rule": rule})
            [lesson] = school.lessons_of(course)
            enrolment.join(user, course.name)
            frappe.db.commit()
            found = at_once([partial(progress.beat, user, lesson, 0) for _ in range(6)])
            self.assertEqual([one for one in found if isinstance(one, Exception)], [])
            found = at_once([partial(notes.write, user, lesson, f"note {number}") for number in range(6)])
            self.assertEqual(found, [None] * 6)
            self.assertEqual(self.states(course), {state: 1})
            for doctype in ("Academy Lesson Progress", "Academy Note"):
                self.assertEqual(frappe.db.count(doctype, {"course": course.name}), 1, doctype)
            verbs = frappe.get_all("Academy Event", {"course": course.name}, pluck="verb")
            self.assertEqual(len(verbs), len({*verbs}) + (rule == "View"), verbs)
