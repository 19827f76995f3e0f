"""The test case for tests on a site, under the name that each release line gives it."""

try:
    from frappe.tests import IntegrationTestCase as SiteTestCase
except ImportError:
    from frappe.tests.utils import FrappeTestCase as SiteTestCase

__all__ = ["SiteTestCase"]
