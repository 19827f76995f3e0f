"""Academy Quiz."""
