"""The server as workflows see it: facts, files, the lock and the audit log."""
