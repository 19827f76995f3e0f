"""Pages for those who teach."""
