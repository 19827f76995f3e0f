"""Pages for whoever checks a certificate."""
