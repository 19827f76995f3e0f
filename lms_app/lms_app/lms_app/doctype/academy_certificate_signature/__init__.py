"""Academy Note."""
