"""Academy Settings."""
