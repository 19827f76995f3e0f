"""Academy Lesson."""
