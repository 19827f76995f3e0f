"""Academy Submission Score."""
