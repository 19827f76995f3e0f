"""Academy Course Instructor."""
