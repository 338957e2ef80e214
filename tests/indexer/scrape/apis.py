"""The providers' APIs as the site speaks them, in the forms of their documentation.

Openverse: https://api.openverse.org/v1/ and WordPress/openverse, api/api/examples/image_responses.py.
Wikimedia: https://www.mediawiki.org/wiki/API:Imageinfo, API:Search, API:Continue, API:Errors_and_warnings.
Google: https://developers.google.com/custom-search/v1/reference/rest/v1/Search.
Flickr: https://www.flickr.com/services/api/flickr.photos.search.html.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.indexer.scrape.site import Answer, Request, Site, as_json


@dataclass(frozen=True)
class Picture:
    """What a provider knows of a picture."""

    url: str
    title: str
    creator: str = "Ann Example"


class Apis:
    """Answers every query with the pictures given for it."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.pictures: dict[str, Sequence[Picture]] = {}
        site.pages["/v1/images/"] = self.openverse
        site.pages["/w/api.php"] = self.wikimedia
        site.pages["/customsearch/v1"] = self.google
        site.pages["/services/rest/"] = self.flickr

    def environment(self) -> dict[str, str]:
        return {
            "OPENVERSE_ENDPOINT": self.site.url("/v1/images/"),
            "OPENVERSE_TOKEN": "openverse-secret",
            "WIKIMEDIA_ENDPOINT": self.site.url("/w/api.php"),
            "GOOGLE_ENDPOINT": self.site.url("/customsearch/v1"),
            "GOOGLE_API_KEY": "google-secret",
            "GOOGLE_SEARCH_ENGINE_ID": "engine-secret",
            "FLICKR_ENDPOINT": self.site.url("/services/rest/"),
            "FLICKR_API_KEY": "flickr-secret",
        }

    def _part(self, query: str, start: int, size: int) -> tuple[Sequence[Picture], int]:
        found = self.pictures.get(query, ())
        return found[start : start + size], len(found)

    def openverse(self, request: Request) -> Answer:
        page, size = int(request.query["page"]), int(request.query["page_size"])
        if size > 20 and "authorization" not in request.headers:
            return as_json({"detail": "page_size must be between 1 & 20 for anonymous users"}, 401)
        part, total = self._part(request.query["q"], (page - 1) * size, size)
        results = [_openverse(picture) for picture in part]
        counts = {"result_count": total, "page_count": -(-total // size), "page_size": size, "page": page}
        return as_json({**counts, "results": results})

    def wikimedia(self, request: Request) -> Answer:
        assert request.query["action"] == "query"
        assert request.query["generator"] == "search"
        query = request.query["gsrsearch"].removeprefix("filetype:bitmap ")
        start, size = int(request.query.get("gsroffset", 0)), int(request.query["gsrlimit"])
        part, total = self._part(query, start, size)
        pages = [_wikimedia(picture, start + number) for number, picture in enumerate(part, 1)]
        answer: dict[str, object] = {"batchcomplete": True, "query": {"pages": pages[::-1]}}
        if start + size < total:
            answer["continue"] = {"gsroffset": start + size, "continue": "gsroffset||"}
        return as_json(answer)

    def google(self, request: Request) -> Answer:
        asked = request.query
        if asked["key"] != "google-secret" or asked["cx"] != "engine-secret":
            return google_error(400, "API key not valid: " + asked["key"], "badRequest")
        assert asked["searchType"] == "image"
        start, size = int(asked["start"]), int(asked["num"])
        part, total = self._part(asked["q"], start - 1, size)
        queries: dict[str, object] = {"request": [{"startIndex": start, "count": len(part)}]}
        if start - 1 + size < total:
            queries["nextPage"] = [{"startIndex": start + size, "count": size, "searchType": "image"}]
        items = {"items": [_google(picture) for picture in part]} if part else {}
        return as_json({"kind": "customsearch#search", "queries": queries, **items})

    def flickr(self, request: Request) -> Answer:
        asked = request.query
        if asked["api_key"] != "flickr-secret":
            message = "Invalid API Key (Key has invalid format)"
            return as_json({"stat": "fail", "code": 100, "message": message})
        page, size = int(asked["page"]), int(asked["per_page"])
        part, total = self._part(asked["text"], (page - 1) * size, size)
        photos = {"page": page, "pages": -(-total // size), "perpage": size, "total": total}
        listed = [_flickr(picture, number) for number, picture in enumerate(part)]
        return as_json({"photos": {**photos, "photo": listed}, "stat": "ok"})


def google_error(code: int, message: str, reason: str) -> Answer:
    errors = [{"message": message, "domain": "usageLimits", "reason": reason}]
    error = {"code": code, "message": message, "errors": errors, "status": "RESOURCE_EXHAUSTED"}
    return as_json({"error": error}, code)


def _openverse(picture: Picture) -> dict[str, object]:
    return {
        "id": "4bc43a04-ef46-4544-a0c1-63c63f56e276",
        "title": picture.title,
        "indexed_on": "2022-08-27T17:39:48Z",
        "foreign_landing_url": "https://stocksnap.example/photo/XNVBVXO3B7",
        "url": picture.url,
        "creator": picture.creator,
        "creator_url": "https://creator.example",
        "license": "by-sa",
        "license_version": "2.0",
        "license_url": "https://creativecommons.org/licenses/by-sa/2.0/",
        "provider": "stocksnap",
        "source": "stocksnap",
        "category": "photograph",
        "filesize": None,
        "filetype": "jpg",
        "tags": [{"accuracy": None, "name": "tree", "unstable__provider": "stocksnap"}],
        "attribution": f'"{picture.title}" by {picture.creator} is licensed under CC BY-SA 2.0.',
        "fields_matched": ["title"],
        "mature": False,
        "height": 4016,
        "width": 6016,
        "thumbnail": "https://api.openverse.example/v1/images/4bc43a04/thumb/",
        "unstable__sensitivity": [],
    }


def _wikimedia(picture: Picture, index: int) -> dict[str, object]:
    metadata = {
        "ObjectName": {"value": picture.title, "source": "mediawiki-metadata", "hidden": ""},
        "Artist": {"value": f'<a href="//a.example">{picture.creator}</a>', "source": "commons-desc-page"},
        "LicenseShortName": {"value": "CC BY 4.0", "source": "commons-desc-page", "hidden": ""},
        "LicenseUrl": {"value": "https://creativecommons.org/licenses/by/4.0", "source": "commons-desc-page"},
    }
    info = {
        "thumburl": picture.url,
        "thumbwidth": 960,
        "thumbheight": 640,
        "url": picture.url + "?original",
        "descriptionurl": f"https://commons.example/wiki/File:{index}.jpg",
        "descriptionshorturl": f"https://commons.example/w/index.php?curid={index}",
        "mime": "image/jpeg",
        "extmetadata": metadata,
    }
    title = f"File:{picture.title}.jpg"
    return {"pageid": index, "ns": 6, "title": title, "index": index, "imageinfo": [info]}


def _google(picture: Picture) -> dict[str, object]:
    image = {
        "contextLink": "https://site.example/page.html",
        "height": 800,
        "width": 1200,
        "byteSize": 123456,
        "thumbnailLink": "https://encrypted-tbn0.example/images?q=tbn:x",
        "thumbnailHeight": 100,
        "thumbnailWidth": 150,
    }
    return {
        "kind": "customsearch#result",
        "title": picture.title,
        "htmlTitle": f"<b>{picture.title}</b>",
        "link": picture.url,
        "displayLink": "site.example",
        "snippet": picture.title,
        "mime": "image/jpeg",
        "fileFormat": "image/jpeg",
        "image": image,
    }


def _flickr(picture: Picture, number: int) -> dict[str, object]:
    return {
        "id": str(5000 + number),
        "owner": "12345678@N00",
        "secret": "abc",
        "server": "65535",
        "farm": 66,
        "title": picture.title,
        "ispublic": 1,
        "isfriend": 0,
        "isfamily": 0,
        "license": "4",
        "ownername": picture.creator,
        "url_l": picture.url,
        "height_l": 683,
        "width_l": 1024,
    }
