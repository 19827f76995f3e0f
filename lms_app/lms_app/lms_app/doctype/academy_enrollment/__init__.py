"""Academy Enrollment."""
