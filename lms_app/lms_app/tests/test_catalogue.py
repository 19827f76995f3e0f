import frappe

from lms_app.services import access, addresses, catalogue, content, enrolment, progress, reasons
from lms_app.services.catalogue import Filters
from lms_app.tests import school
from lms_app.tests.site_case import SiteTestCase


class TestCatalogue(SiteTestCase):
    def setUp(self):
        self.ada = school.person("ada")
        # What a test makes stays until the last of its class: each looks for a word of its own.
        self.word = frappe.generate_hash(length=12)

    def found(self, user="Guest", **filters):
        rows = catalogue.courses(Filters(**{"search": self.word, **filters}), user).rows
        return [row.title.removeprefix(f"{self.word} ") for row in rows]

    def make(self, name, **values):
        return school.course(title=f"{self.word} {name}", **values)

    def test_who_finds_a_course_depends_on_its_visibility_and_status(self):
        for visibility in ("Public", "Members", "Unlisted", "Private"):
            self.make(visibility, visibility=visibility)
        for status in ("Draft", "In Review", "Archived"):
            self.make(status, status=status)
        self.assertEqual(sorted(self.found()), ["Public"])
        self.assertEqual(sorted(self.found(self.ada)), ["Members", "Public"])

    def test_a_search_finds_every_word_in_title_summary_or_category(self):
        category = frappe.get_doc({"doctype": "Academy Category", "title": f"{self.word} baking"}).insert()
        self.make("one", category=category.name, summary="With 100% rye_flour")
        for words in ("RYE", "baking one", "100%", "rye_f"):
            self.assertEqual(self.found(search=f"{self.word[:9]} {words}"), ["one"], words)
        for words in ("wheat", "10%rye", "ryeXflour", "'", '"', "\\"):
            self.assertEqual(self.found(search=f"{self.word} {words}"), [], words)
        self.assertEqual(self.found(category=category.name), ["one"])

    def test_filters_narrow_and_say_how_many_there_are(self):
        self.make("easy", level="Beginner")
        self.make("hard", level="Advanced", language="fr")
        self.assertEqual(self.found(level="Advanced"), ["hard"])
        self.assertEqual(self.found(language="fr"), ["hard"])
        counts = {row.value: row["count"] for row in catalogue.facets("Guest")["level"]}
        self.assertGreaterEqual(counts["Beginner"], 1)

    def test_pages_hold_so_many_and_tell_the_whole(self):
        for number in range(catalogue.PAGE + 1):
            self.make(f"{number:02}")
        first, second = (catalogue.courses(Filters(search=self.word, page=page), "Guest") for page in (1, 2))
        self.assertEqual((len(first.rows), first.total, first.pages), (catalogue.PAGE, catalogue.PAGE + 1, 2))
        self.assertEqual(len(second.rows), 1)

    def test_featured_ones_come_first(self):
        self.make("usual")
        self.make("star", is_featured=1)
        self.make("last")
        self.assertEqual(self.found()[0], "star")

    def test_whatever_stands_in_an_address_is_a_filter_or_nothing(self):
        for asked in (
            {"page": "-1"},
            {"page": "x"},
            {"page": "9" * 30},
            {"page": "²"},
            {"level": "Expert"},
            {"q": "%" * 999},
        ):
            filters = Filters.of(asked)
            self.assertEqual(filters.level, "")
            self.assertGreaterEqual(filters.page, 1)
            catalogue.courses(filters, "Guest")

    def test_counters_follow_the_lessons(self):
        course = self.make("counted")
        lesson = school.lessons_of(course)[0]
        fields = ["lesson_count", "minutes"]
        self.assertEqual(frappe.db.get_value("Academy Course", course.name, fields), (1, 10))
        school.lesson(frappe.get_doc("Academy Module", {"course": course.name}), title="Second", minutes=25)
        self.assertEqual(frappe.db.get_value("Academy Course", course.name, fields), (2, 35))
        frappe.delete_doc("Academy Lesson", lesson)
        self.assertEqual(frappe.db.get_value("Academy Course", course.name, fields), (1, 25))


class TestCoursePage(SiteTestCase):
    def page(self, course, user="Guest"):
        return catalogue.course_page(course.slug, user)

    def test_it_shows_what_the_course_is_and_why_lessons_are_shut(self):
        first = school.course(title="Knives")
        course = school.course(
            {"is_preview": 1},
            {},
            outcomes=[{"outcome": "Cook soup"}],
            prerequisites=[{"requires": first.name}],
            description="# Hello <script>x</script>",
        )
        page = self.page(course)
        self.assertEqual(page.outcomes, ["Cook soup"])
        self.assertEqual([one.full_name for one in page.instructors], ["Lead"])
        self.assertEqual([(one.title, one.is_completed) for one in page.prerequisites], [("Knives", False)])
        self.assertNotIn("<script", page.html)
        [module] = page.outline
        self.assertEqual([one.decision.reason for one in module.lessons], ["", "log_in"])
        self.assertEqual(page.joining.reason, "log_in")
        self.assertIsNone(page.next)

    def test_what_comes_first_is_named_only_to_whom_it_is_open(self):
        ada, lead = school.person("ada"), school.person("lead", access.INSTRUCTOR_ROLE)
        draft, private, members = (
            school.course(title=f"Secret {number}", **values)
            for number, values in enumerate(({"status": "Draft"}, {"visibility": "Private"}, {"visibility": "Members"}))
        )
        first = [{"requires": one.name} for one in (draft, private, members)]
        course = school.course(prerequisites=first)
        hidden = ("A course that you cannot see", "")
        for user, shown in (("Guest", []), (ada, [members]), (lead, [draft, private, members])):
            found = [(one.title, one.slug) for one in self.page(course, user).prerequisites]
            told = [one.name for one in shown]
            wanted = [(one.title, one.slug) if one.name in told else hidden for one in (draft, private, members)]
            self.assertEqual(found, wanted, user)
        enrolment.add(private.name, ada, by="Administrator")
        page = self.page(course, ada)
        self.assertEqual([bool(one.slug) for one in page.prerequisites], [False, True, True])
        self.assertEqual(page.joining.reason, "prerequisites")

    def test_what_joining_would_come_to_is_what_it_comes_to(self):
        ada = school.person("ada")
        for values in (
            {},
            {"enrolment_mode": "Approval"},
            {"enrolment_mode": "Invite"},
            {"seats": 1},
            {"seats": 1, "has_waitlist": 0},
            {"prerequisites": [{"requires": school.course().name}]},
        ):
            course = school.course(**values)
            if values.get("seats"):
                enrolment.join(school.person("bo"), course.name)
            said = self.page(course, ada).joining
            try:
                came = (enrolment.join(ada, course.name).state, "")
            except reasons.RefusedError as fault:
                came = (said.state, fault.reason)
            self.assertEqual((said.state, said.reason), came, values)

    def test_a_course_that_is_not_for_somebody_says_why(self):
        for values, reason in (
            ({"status": "Draft"}, "not_published"),
            ({"visibility": "Members"}, "log_in"),
            ({"visibility": "Private"}, "log_in"),
        ):
            with self.assertRaises(reasons.DeniedError) as denied:
                self.page(school.course(**values))
            self.assertEqual(denied.exception.reason, reason)
        with self.assertRaises(reasons.DeniedError) as denied:
            catalogue.course_page("no-such-course", "Guest")
        self.assertEqual(denied.exception.reason, "unknown")

    def test_a_pupil_goes_on_with_the_first_lesson_that_is_not_completed(self):
        course, ada = school.course({}, {}), school.person("ada")
        enrolment.join(ada, course.name)
        first, second = school.lessons_of(course)
        self.assertEqual(self.page(course, ada).next.name, first)
        progress.declare(ada, first)
        page = self.page(course, ada)
        self.assertEqual(page.next.name, second)
        self.assertEqual(page.enrolment.percent, 50)


class TestAddresses(SiteTestCase):
    def test_slugs_are_made_from_titles_and_each_is_one_s_own(self):
        slugs = [school.course(title="Crème brûlée 77").slug for _ in range(3)]
        self.assertEqual(slugs, ["creme-brulee-77", "creme-brulee-77-2", "creme-brulee-77-3"])
        course = school.course({"title": "Eggs"}, {"title": "Eggs"})
        found = frappe.get_all("Academy Lesson", {"course": course.name}, pluck="slug", order_by="slug")
        self.assertEqual(found, ["eggs", "eggs-2"])

    def test_every_old_address_leads_to_the_new_one(self):
        course = school.course(title="Before 77")
        for slug in ("between-77", "after-77"):
            course.slug = slug
            course.save()
        for old in ("before-77", "between-77"):
            self.assertEqual(catalogue.course_page(old, "Guest"), {"moved": "after-77"})
            self.assertEqual(content.lesson_page(old, "stock", "Guest"), {"moved": "/learn/c/after-77/l/stock"})
        lesson = frappe.get_doc("Academy Lesson", {"course": course.name})
        lesson.slug = "broth"
        lesson.save()
        moved = content.lesson_page("after-77", "stock", "Guest").moved
        self.assertEqual(moved, "/learn/c/after-77/l/broth")

    def test_an_old_address_that_somebody_takes_leads_to_them(self):
        course = school.course(title="Taken 77")
        course.slug = "moved-77"
        course.save()
        other = school.course(title="Taken 77")
        self.assertEqual(other.slug, "taken-77")
        self.assertEqual(catalogue.course_page("taken-77", "Guest").course.name, other.name)
        course.slug = "taken-77"
        course.save()
        self.assertEqual(course.slug, "taken-77-2")

    def test_an_address_that_was_given_up_and_taken_back_leads_nowhere_else(self):
        course = school.course(title="Back 77")
        for slug in ("away-77", "back-77"):
            course.slug = slug
            course.save()
        self.assertEqual(addresses.moved_course("away-77"), "back-77")
        self.assertIsNone(addresses.moved_course("back-77"))

    def test_a_deleted_lesson_leaves_no_address(self):
        course = school.course()
        lesson = frappe.get_doc("Academy Lesson", {"course": course.name})
        lesson.slug = "elsewhere"
        lesson.save()
        frappe.delete_doc("Academy Lesson", lesson.name)
        self.assertEqual(frappe.db.count("Academy Slug History", {"course": course.name}), 0)


class TestCourse(SiteTestCase):
    def test_whoever_makes_a_course_leads_it(self):
        teacher = school.person("lead", access.INSTRUCTOR_ROLE)
        with school.as_user(teacher):
            course = frappe.get_doc({"doctype": "Academy Course", "title": "Mine"}).insert()
            course.summary = "Still mine."
            course.save()
        self.assertEqual([(row.user, row.role) for row in course.instructors], [(teacher, "Lead")])

    def test_nobody_is_made_a_teacher_by_a_course(self):
        for role in ("Lead", "Assistant"):
            with self.assertRaisesRegex(frappe.ValidationError, "cannot be named here"):
                school.course(instructors=[{"user": school.person("ada"), "role": role}])

    def test_a_course_that_lacks_something_is_not_published(self):
        course = school.course(status="Draft", summary="")
        course.status, course.instructors = "Published", []
        with self.assertRaisesRegex(frappe.ValidationError, "without a summary, a lead instructor"):
            course.save()

    def test_a_module_that_opens_on_a_date_has_one(self):
        course = school.course()
        with self.assertRaisesRegex(frappe.ValidationError, "needs the date"):
            school.module(course, release_rule="On Date")
        school.module(course, release_rule="On Date", release_on="2030-01-01 08:00:00")

    def test_modules_never_wait_for_one_another(self):
        course = school.course()
        first = frappe.get_doc("Academy Module", {"course": course.name})
        second = school.module(course, release_rule="After Module", release_after=first.name)
        first.update({"release_rule": "After Module", "release_after": second.name})
        with self.assertRaisesRegex(frappe.ValidationError, "wait for one another"):
            first.save()
        first.reload()
        elsewhere = frappe.get_doc("Academy Module", {"course": school.course().name})
        first.update({"release_rule": "After Module", "release_after": elsewhere.name})
        with self.assertRaisesRegex(frappe.ValidationError, "same course"):
            first.save()
