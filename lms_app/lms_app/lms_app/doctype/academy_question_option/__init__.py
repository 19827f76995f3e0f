"""Academy Question Option."""
