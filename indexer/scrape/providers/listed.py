"""Pictures named by hand: a list of URLs, or all that an HTML page shows."""

from __future__ import annotations

from dataclasses import dataclass
from html.parser import HTMLParser
from itertools import islice
from pathlib import Path

from yarl import URL

from indexer.scrape.items import Item, RefusalError, UnansweredError
from indexer.scrape.providers import Ask, Page
from indexer.scrape.robots import AGENT, unwanted_directives
from indexer.scrape.text import attribution, plain_text

_LINES = 500
#: Bytes of a line; a longer one is no address, and is given in parts that are none either.
_LONGEST = 16_384


@dataclass(frozen=True)
class UrlList:
    """The query is a URL, or a file with a URL a line, optionally followed by a tab and a title."""

    name: str = "urls"
    endpoint: str = ""
    delay: float = 0.0
    limited: bool = False

    async def search(self, query: str, cursor: str, ask: Ask) -> Page:
        if query.startswith(("http://", "https://")):
            return Page((Item(url=query, provider=self.name, query=query),), None)
        try:
            return self._read(query, int(cursor or "0"))
        except OSError as error:
            raise UnansweredError("no-list", f"{query}: {error.strerror or error}") from None

    def _read(self, query: str, start: int) -> Page:
        """Some lines from byte `start` on, so that a list of any length is never held as a whole."""
        if not Path(query).is_file() and Path(query).exists():
            raise UnansweredError("no-list", f"{query}: is no ordinary file")
        with Path(query).open("rb") as file:
            file.seek(start)
            lines = list(islice(iter(lambda: file.readline(_LONGEST), b""), _LINES))
        texts = [line.decode("utf-8", "replace").strip("\ufeff\r\n ") for line in lines]
        items = tuple(self._item(text, query) for text in texts if text and not text.startswith("#"))
        return Page(items, str(start + sum(map(len, lines))) if len(lines) == _LINES else None)

    def _item(self, text: str, query: str) -> Item:
        url, _, title = text.partition("\t")
        return Item(url=url.strip(), provider=self.name, query=query, title=plain_text(title))


@dataclass(frozen=True)
class HtmlPage:
    """The query is the URL of a page; its robots meta elements are honoured."""

    name: str = "page"
    endpoint: str = ""
    delay: float = 0.0
    limited: bool = False

    async def search(self, query: str, cursor: str, ask: Ask) -> Page:
        try:
            response = await ask.page(query)
        except RefusalError as refusal:
            raise UnansweredError(refusal.reason, f"{query}: {refusal.detail}") from None
        page = _PicturePage(response.url)
        page.feed(response.body.decode(_charset(response.headers.get("Content-Type", "")), "replace"))
        page.close()
        if page.unwanted:
            raise UnansweredError("robots-tag", f"{query}: its robots meta element says {page.unwanted}")
        return Page(tuple(self._items(page, str(response.url), query)), None)

    def _items(self, page: _PicturePage, address: str, query: str) -> list[Item]:
        heading = plain_text(page.title)
        found = []
        for url, alternative in page.pictures.items():
            title = plain_text(alternative) or heading
            found.append(
                Item(
                    url=url,
                    provider=self.name,
                    query=query,
                    title=title,
                    page=address,
                    creator=plain_text(page.author),
                    license_url=page.license_url,
                    license=page.license_url,
                    attribution=attribution(title, plain_text(page.author), page.license_url, address),
                )
            )
        return found


class _PicturePage(HTMLParser):
    """Reads a page's pictures (URL -> alternative text), title, licence link and wishes for robots."""

    def __init__(self, address: URL) -> None:
        super().__init__(convert_charrefs=True)
        self.base = address
        self.pictures: dict[str, str] = {}
        self.title = ""
        self.author = ""
        self.license_url = ""
        self.unwanted = ""
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self._in_title = tag == "title"
        if tag == "img":
            self._picture(values.get("data-src") or values.get("src", ""), values.get("alt", ""))
        elif tag == "meta":
            self._meta(values)
        elif tag == "base" and values.get("href"):
            self.base = self._absolute(values["href"]) or self.base
        elif tag in ("a", "link") and "license" in values.get("rel", "").lower().split():
            self.license_url = str(self._absolute(values.get("href", "")) or "")

    def handle_endtag(self, tag: str) -> None:
        self._in_title = False

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data

    def _meta(self, values: dict[str, str]) -> None:
        name, content = values.get("name", "").lower(), values.get("content", "")
        if name in ("robots", AGENT):
            self.unwanted = self.unwanted or unwanted_directives([content])
        elif name == "tdm-reservation" and content.strip() == "1":
            self.unwanted = self.unwanted or "tdm-reservation"
        elif name == "author":
            self.author = content
        elif values.get("property", "").lower() == "og:image":
            self._picture(content, "")

    def _picture(self, address: str, alternative: str) -> None:
        url = self._absolute(address.strip())
        if url is not None and url.scheme in ("http", "https"):
            self.pictures.setdefault(str(url), alternative)

    def _absolute(self, address: str) -> URL | None:
        try:
            return self.base.join(URL(address)).with_fragment(None) if address else None
        except (ValueError, TypeError):
            return None


def _charset(content_type: str) -> str:
    """The charset parameter where Python knows it; UTF-8 otherwise."""
    import codecs

    name = content_type.lower().partition("charset=")[2].partition(";")[0].strip(" \"'")
    try:
        return codecs.lookup(name).name if name else "utf-8"
    except LookupError:
        return "utf-8"
