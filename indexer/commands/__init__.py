"""The command `indexer` beside its `cli`: options, reports, and commands that are imported when called."""
