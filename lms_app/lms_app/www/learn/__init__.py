"""Pages for pupils."""
