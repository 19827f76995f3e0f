"""Academy Assignment."""
