"""Refuse packages that a school uploads: unpacking one can write into the folder of another school.

Frappe hands the upload to tar, and a link that an earlier package brought leads wherever the system user may write.
"""

import frappe
from frappe.core.doctype.package_import.package_import import PackageImport


class RefusedPackageImport(PackageImport):
    """A package that is kept, and never unpacked."""

    def import_package(self) -> None:
        """Say that packages are off."""
        frappe.throw("Packages cannot be imported where several schools share a server.", frappe.PermissionError)
