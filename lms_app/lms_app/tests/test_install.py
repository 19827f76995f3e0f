import frappe
from frappe.utils.password import set_encrypted_password

from lms_app import install, uninstall
from lms_app.services import access
from lms_app.tests.site_case import SiteTestCase


class TestRoles(SiteTestCase):
    def test_pupils_and_teachers_have_no_desk(self):
        rows = frappe.get_all("Role", {"name": ("in", [*access.ROLES])}, ["name", "desk_access"])
        self.assertEqual({row.name: row.desk_access for row in rows}, access.ROLES)

    def test_what_a_school_changed_in_a_role_stays(self):
        frappe.db.set_value("Role", access.ASSISTANT_ROLE, "desk_access", 1)
        install.make_roles()
        self.assertEqual(frappe.db.get_value("Role", access.ASSISTANT_ROLE, "desk_access"), 1)

    def test_they_are_there_before_the_doctypes_that_name_them(self):
        for hook in ("before_install", "before_migrate"):
            self.assertEqual(frappe.get_hooks(hook, app_name="lms_app")[0], "lms_app.install.make_roles")


class TestUninstall(SiteTestCase):
    def test_every_place_where_frappe_keeps_the_name_of_a_doctype_is_known(self):
        # Frappe itself removes what belongs to a DocType or to the module.
        for table, field in uninstall.ABOUT.items():
            if not table.startswith("__") and frappe.db.exists("DocType", table):
                self.assertTrue(frappe.get_meta(table).has_field(field) or field == "parent", table)

    def test_no_role_and_no_trace_is_left(self):
        frappe.db.savepoint("uninstall_test")
        doc = frappe.get_doc({"doctype": "Academy Category", "title": "Trace"}).insert()
        doc.add_comment("Comment", "trace")
        set_encrypted_password("Academy Settings", "Academy Settings", "trace", "certificate_secret")
        doc.title = "Traced"
        doc.save()
        try:
            uninstall.before_uninstall()
            self.assertEqual(frappe.db.count("Comment", {"reference_doctype": "Academy Category"}), 0)
            self.assertEqual(frappe.db.count("__Auth", {"doctype": ("like", "Academy %")}), 0)
            self.assertEqual(frappe.db.count("Role", {"name": ("like", "Academy %")}), 0)
            self.assertEqual(frappe.db.count("Has Role", {"role": ("like", "Academy %")}), 0)
        finally:
            frappe.db.rollback(save_point="uninstall_test")
            frappe.clear_cache()
