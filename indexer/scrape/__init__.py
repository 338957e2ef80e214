"""Photos from the web: found by a provider, downloaded politely, kept with their origin and licence."""
