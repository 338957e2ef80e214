"""The command `search` beside its `cli`: options, printing, and commands that are imported when called."""
