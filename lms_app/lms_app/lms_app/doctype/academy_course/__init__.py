"""Academy Course."""
