"""Academy Rubric Level."""
