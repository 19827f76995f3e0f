"""Academy Override."""
