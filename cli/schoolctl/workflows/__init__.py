"""Stories told as steps: what happens once to a school or a server. Nothing here prints."""
