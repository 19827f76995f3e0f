"""Academy Question."""
