"""The stand-in bench: speaks a bench's commands and serves a page per site, to rehearse without Frappe.

Everything around the bench is real: databases and their users, site folders, configuration, ports, exit codes. What
Frappe does inside them is not.
"""

LABEL = "stand-in bench: a rehearsal, no Frappe runs here"
VERSION = "0.0.0-stand-in"
