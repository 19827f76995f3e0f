"""Backups of schools: written as plain files, stored by restic, proven by restoring them; by root, on the server."""
