"""Academy Rubric Criterion."""
