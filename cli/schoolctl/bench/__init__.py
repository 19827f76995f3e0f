"""Say what to run for one school: pure functions that return commands, no IO."""
