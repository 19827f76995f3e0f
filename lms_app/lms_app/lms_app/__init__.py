"""The module `LMS App`."""
