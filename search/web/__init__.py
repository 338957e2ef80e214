"""The page and its REST API: `create_app` gives the application, `search serve` runs it.

Needs the extra `web` (fastapi, uvicorn, python-multipart, prometheus-client). Nothing else in the
project imports this package.
"""
