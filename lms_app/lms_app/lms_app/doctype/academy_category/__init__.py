"""Academy Category."""
