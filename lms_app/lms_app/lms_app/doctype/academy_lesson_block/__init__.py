"""Academy Lesson Block."""
