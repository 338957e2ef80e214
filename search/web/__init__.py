"""The page and its REST API: `create_app` gives the application, `search serve` runs it.

Needs the extra `web` (fastapi, uvicorn, python-multipart, prometheus-client). Imported by
`search serve` alone, and only when it runs.
"""
