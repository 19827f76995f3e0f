"""What browsers may call: each function parses, asks one guard and calls one service.

Writes are POST alone: Frappe lets a GET pass without the token against forged requests. Who may call what without being
logged in is on a list in tests/test_endpoints.py.
"""
