from pathlib import Path
from unittest.mock import patch

import frappe
from frappe.utils.password import set_encrypted_password

from lms_app import install, printing, uninstall
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
    def setUp(self):
        frappe.db.savepoint("uninstall_test")
        self.names = frappe.get_all("DocType", {"module": "LMS App"}, pluck="name")

    def tearDown(self):
        frappe.db.rollback(save_point="uninstall_test")
        frappe.clear_cache()

    def test_no_row_anywhere_names_a_doctype_of_the_app_any_longer(self):
        modules = frappe.get_all("Module Def", {"app_name": "frappe"}, pluck="name")
        wanted = {"issingle": 0, "is_virtual": 0, "module": ("in", modules), "name": ("!=", "File")}
        for doctype in frappe.get_all("DocType", wanted, pluck="name"):
            self.write_into(frappe.get_meta(doctype))
        for doctype, field, value in (
            ("Access Log", "export_from", "Academy Category"),
            ("Route History", "route", "List/Academy Category/List"),
        ):
            self.write(doctype, {field: value})
        self.assertIn("Tag Link", self.named())
        uninstall.before_uninstall()
        self.assertEqual(self.named(), [])
        self.assertEqual(frappe.db.count("Route History", {"route": ("like", "%Academy%")}), 0)

    def test_what_only_points_to_the_app_stays_and_points_nowhere(self):
        name = self.write("Email Account", {"append_to": "Academy Category"})
        uninstall.before_uninstall()
        self.assertIsNone(frappe.db.get_value("Email Account", name, "append_to"))
        self.assertTrue(frappe.db.exists("Email Account", name))

    def test_no_role_no_file_and_no_trace_is_left(self):
        doc = frappe.get_doc({"doctype": "Academy Category", "title": "Trace"}).insert()
        doc.add_comment("Comment", "trace")
        file = {"doctype": "File", "file_name": "trace.txt", "content": frappe.generate_hash(), "is_private": 1}
        file |= {"attached_to_doctype": doc.doctype, "attached_to_name": doc.name}
        path = Path(frappe.get_doc(file).insert().get_full_path())
        set_encrypted_password("Academy Settings", "Academy Settings", "trace", "certificate_secret")
        doc.title = "Traced"
        doc.save()
        uninstall.before_uninstall()
        self.assertEqual(frappe.db.count("Comment", {"reference_doctype": "Academy Category"}), 0)
        self.assertEqual(frappe.db.count("__Auth", {"doctype": ("like", "Academy %")}), 0)
        self.assertEqual(frappe.db.count("Role", {"name": ("like", "Academy %")}), 0)
        self.assertEqual(frappe.db.count("Has Role", {"role": ("like", "Academy %")}), 0)
        self.assertFalse(path.exists())

    def test_heads_of_documents_are_printed_as_before(self):
        setting = ("Print Settings", "repeat_header_footer")
        frappe.db.set_single_value(*setting, 1)
        with patch.object(printing, "is_wkhtmltopdf_valid", return_value=False):
            printing.keep_heads()
        self.assertEqual(frappe.db.get_single_value(*setting), 0)
        uninstall.before_uninstall()
        self.assertEqual(frappe.db.get_single_value(*setting), 1)

    def write_into(self, meta):
        """Write a row about a category for each way in which rows of a DocType say what they are about."""
        named = [field.fieldname for field in meta.get("fields", {"fieldtype": "Link", "options": "DocType"})]
        for field in named:
            others = meta.get("fields", {"fieldtype": "Dynamic Link", "options": field})
            self.write(meta.name, {field: "Academy Category", **{one.fieldname: "trace" for one in others}})
        for field in meta.get("fields", {"fieldtype": "Dynamic Link"}):
            if field.options not in named:
                self.write(meta.name, {field.options: "DocType", field.fieldname: "Academy Category"})

    def write(self, doctype, values):
        """Write a row as it is, and return its name."""
        doc = frappe.get_doc({"doctype": doctype, **values})
        if frappe.get_meta(doctype).autoname != "autoincrement":
            doc.name = frappe.generate_hash()
        doc.db_insert()
        return doc.name

    def named(self):
        """Return the DocTypes in whose rows a field is the name of one of the app's; Frappe removes forms itself."""
        columns = {}
        for table, column in frappe.db.sql(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = DATABASE()"
            " AND data_type IN ('varchar', 'text') AND table_name LIKE 'tab%%'"
        ):
            columns.setdefault(table.removeprefix("tab"), []).append(column)
        own = {*self.names, "DocType", "DocField", "DocPerm", "DocType Link", "DocType Action", "DocType State"}
        return sorted(table for table in {*columns} - own if self.holds(table, columns[table]))

    def holds(self, table, columns):
        where = " OR ".join(f"`{column}` IN %(names)s" for column in columns)
        return bool(frappe.db.sql(f"SELECT 1 FROM `tab{table}` WHERE {where} LIMIT 1", {"names": self.names}))  # noqa: S608
