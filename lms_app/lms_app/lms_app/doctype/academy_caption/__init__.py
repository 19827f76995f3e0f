"""Academy Caption."""
