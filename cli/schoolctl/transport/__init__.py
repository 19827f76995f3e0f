"""Carry requests to the server; the only place that opens connections and quotes for a shell."""
