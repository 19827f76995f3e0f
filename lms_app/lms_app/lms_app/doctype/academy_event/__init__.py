"""Academy Event."""
