"""Show answers: a table in the terminal, a montage (PNG), a page (HTML). JSON is `Results.as_json`."""
