"""Academy Question Bank."""
