"""Academy Lesson Progress."""
