"""Academy Quiz Attempt."""
