import io
from unittest.mock import patch

import frappe
from pypdf import PdfWriter

from lms_app import printing
from lms_app.tests.site_case import SiteTestCase

SETTING = ("Print Settings", "repeat_header_footer")


class TestPrinting(SiteTestCase):
    def setUp(self):
        frappe.db.savepoint("printing_test")

    def tearDown(self):
        frappe.db.rollback(save_point="printing_test")

    def test_a_new_site_loses_no_heads(self):
        self.assertFalse(printing.loses_heads())

    def test_heads_are_printed_once_where_they_cannot_be_repeated(self):
        frappe.db.set_single_value(*SETTING, 1)
        with patch.object(printing, "is_wkhtmltopdf_valid", return_value=True):
            printing.keep_heads()
        self.assertEqual(frappe.db.get_single_value(*SETTING), 1)
        with patch.object(printing, "is_wkhtmltopdf_valid", return_value=False):
            self.assertTrue(printing.loses_heads())
            printing.keep_heads()
        self.assertEqual(frappe.db.get_single_value(*SETTING), 0)

    def test_what_we_changed_is_put_back_and_what_somebody_else_chose_stays(self):
        for keeps, after in ((1, 1), (0, 0)):
            frappe.db.set_single_value("Academy Settings", "keeps_heads", keeps)
            frappe.db.set_single_value(*SETTING, 0)
            printing.put_back()
            self.assertEqual(frappe.db.get_single_value(*SETTING), after)

    def test_a_picture_that_is_not_on_the_page_is_missed(self):
        sheets, file = PdfWriter(), io.BytesIO()
        sheets.add_blank_page(width=200, height=200)
        sheets.write(file)
        with patch.object(printing, "get_pdf", return_value=file.getvalue()):
            printed = printing.print_picture()
        self.assertEqual((printed["pages"], printed["found"]), (1, False))
