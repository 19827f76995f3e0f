"""Academy Rubric."""
