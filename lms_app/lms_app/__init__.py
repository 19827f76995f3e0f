"""LMS App: courses for schools that run on Frappe and ERPNext."""

__version__ = "0.1.0"
