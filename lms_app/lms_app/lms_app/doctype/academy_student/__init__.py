"""Academy Student."""
