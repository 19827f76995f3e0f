"""Academy Module."""
