"""Academy Invitation."""
