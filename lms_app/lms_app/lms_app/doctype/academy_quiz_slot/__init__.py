"""Academy Quiz Slot."""
