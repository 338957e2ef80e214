"""Where the API is on a server."""

from __future__ import annotations

API = "/api/v1"

#: Means the newest version.
UNVERSIONED_API = "/api"
