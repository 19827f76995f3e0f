"""Academy Submission."""
