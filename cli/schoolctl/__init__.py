"""Open, keep and move schools on a server that runs Frappe and ERPNext."""

__version__ = "0.1.0"
