"""Academy Slug History."""
