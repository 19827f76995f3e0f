"""The rules; only here is data read and written."""
