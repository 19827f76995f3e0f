"""Academy Quiz Answer."""
