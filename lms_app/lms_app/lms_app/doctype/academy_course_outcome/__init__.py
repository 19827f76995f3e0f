"""Academy Course Outcome."""
