import click
import frappe

from lms_app.command_line import told_plainly
from lms_app.tests.site_case import SiteTestCase


class TestToldPlainly(SiteTestCase):
    def refuse(self):
        frappe.throw("user: nobody is called so")

    def test_bench_execute_ends_with_the_reason_and_nothing_else(self):
        with click.Context(click.Command("execute"), info_name="execute"), self.assertRaises(SystemExit) as ended:
            told_plainly(self.refuse)()
        self.assertEqual(ended.exception.code, "ValidationError: user: nobody is called so")

    def test_everywhere_else_the_exception_passes_as_it_is(self):
        with self.assertRaisesRegex(frappe.ValidationError, "nobody is called so"):
            told_plainly(self.refuse)()
