"""Pictures named by hand: a list of URLs, or all that an HTML page shows."""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from yarl import URL

from captioner.formats import SUFFIXES
from indexer.scrape.items import Item, RefusalError, UnansweredError
from indexer.scrape.providers.protocol import ResultPage, WebAccess
from indexer.scrape.providers.srcset import Candidate, candidates, size_of
from indexer.scrape.robots import AGENT, unwanted_directives
from indexer.scrape.text import HtmlReader, attribution, plain_text, read_html
from indexer.scrape.transport import Response

_SCHEMES = ("http://", "https://")
_LINES = 500
#: Bytes of a line; a longer one is no address, and is given in parts that are none either.
_LONGEST = 16_384
#: Characters of a page's link, as it is asked for; a longer one would be held once for each of its pictures.
_LONGEST_LINK = 2_048
#: Of its licence's link, which each picture's credit repeats; Creative Commons' have 60.
_LONGEST_LICENCE = 500
#: Python's names of the encodings that web pages have (https://encoding.spec.whatwg.org/#names-and-labels).
#: Its others are no encodings of text (hex, zlib), or slow (punycode takes the square of the length).
_CHARSETS = (
    *("ascii", "utf-8", "utf-16", "iso8859", "iso2022_jp", "cp", "koi8", "mac"),
    *("gb", "big5", "euc_", "shift_jis", "tis-620"),
)
#: Byte order marks, which outrank a charset parameter (https://encoding.spec.whatwg.org/#decode).
_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_BE: "utf-16-be", codecs.BOM_UTF16_LE: "utf-16-le"}


@dataclass(frozen=True)
class UrlList:
    """The query is a URL, optionally followed by a tab and a title, or a file of such lines and comments."""

    name: str = "urls"
    endpoint: str = ""
    delay: float = 0.0
    limited: bool = False

    async def search(self, query: str, cursor: str, web: WebAccess) -> ResultPage:
        if query.lower().startswith((*_SCHEMES, "#")):  # a line of a file, as --queries gives it
            return ResultPage(self._items([query], query.partition("\t")[0]), None)
        try:
            return self._read(query, int(cursor or "0"))
        except (OSError, ValueError) as error:  # ValueError: a NUL, which no file has in its name
            reason = getattr(error, "strerror", None) or str(error)
            if "://" in query:
                reason = "not a web address, which begins with http:// or https://"
            raise UnansweredError("no-list", f"{query}: {reason}") from None

    def _read(self, query: str, start: int) -> ResultPage:
        """Some lines from byte `start` on, so that a list of any length is never held as a whole."""
        if not Path(query).is_file() and Path(query).exists():
            raise UnansweredError("no-list", f"{query}: is no ordinary file")
        with Path(query).open("rb") as file:
            if not start and not any(_text(line).lower().startswith(_SCHEMES) for line in _lines_of(file)):
                wanted = "a list has one a line, and each begins with http:// or https://"
                raise UnansweredError("no-list", f"{query}: holds no web address ({wanted})")
            file.seek(start)
            lines = list(islice(_lines_of(file), _LINES))
        following = str(start + sum(map(len, lines))) if len(lines) == _LINES else None
        return ResultPage(self._items(map(_text, lines), query), following)

    def _items(self, texts: Iterable[str], query: str) -> tuple[Item, ...]:
        return tuple(self._item(text, query) for text in texts if text and not text.startswith("#"))

    def _item(self, text: str, query: str) -> Item:
        url, _, title = text.partition("\t")
        return Item(url=url.strip(), query=query, title=plain_text(title))


def _lines_of(file: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: file.readline(_LONGEST), b"")


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").strip("\ufeff\r\n ")


@dataclass(frozen=True)
class HtmlPage:
    """The query is the URL of a page; its robots meta elements are honoured.

    It gives its first `most` pictures: a page of 50 KB, unpacked, can name 370,000.
    """

    name: str = "page"
    endpoint: str = ""
    delay: float = 0.0
    limited: bool = False
    most: int = 2_000

    async def search(self, query: str, cursor: str, web: WebAccess) -> ResultPage:
        try:
            response = await web.page(query)
        except RefusalError as refusal:
            raise UnansweredError(refusal.reason, f"{query}: {refusal.detail}") from None
        # In a thread: a long page takes seconds, in which downloads go on.
        return await asyncio.to_thread(self._read, response, query)

    def _read(self, response: Response, query: str) -> ResultPage:
        if (length := len(str(response.url))) > _LONGEST_LINK:
            long = f"its address, after redirects, has {length:,} characters (the limit is {_LONGEST_LINK:,})"
            raise UnansweredError("bad-url", f"{query}: {long}")
        page = _PicturePage(response.url, self.most)
        read_html(_decoded(response.body, response.headers.get("Content-Type", "")), page)
        if page.unwanted:
            raise UnansweredError("robots-tag", f"{query}: its robots meta element says {page.unwanted}")
        taken = f"{query}: the first {self.most:,} pictures of this page were taken; it has more"
        found = tuple(self._items(page, str(response.url), query))
        return ResultPage(found, None, taken if page.has_more else "")

    def _items(self, page: _PicturePage, address: str, query: str) -> list[Item]:
        heading, author = plain_text("".join(page.title)), plain_text(page.author)
        of_heading = attribution(heading, author, page.license_url, address)  # one, however many have it
        found = []
        for url, words in page.pictures.items():
            # The heading of a gallery says the same of every picture, and of the logo.
            of_page = url == page.own_picture or len(page.pictures) == 1
            own = plain_text(words)
            title = own or (heading if of_page else "")
            found.append(
                Item(
                    url=url,
                    query=query,
                    title=title,
                    page=address,
                    creator=author,
                    license_url=page.license_url,
                    license=page.license_url,
                    attribution=attribution(own, author, page.license_url, address) if own else of_heading,
                )
            )
        return found


class _PicturePage(HtmlReader):
    """Reads a page's pictures (URL -> words of their own), title, licence link and wishes for robots."""

    def __init__(self, address: URL, most: int) -> None:
        self.base = address
        self.most = most
        self.pictures: dict[str, str] = {}
        self.has_more = False
        self.own_picture = ""  # the one that stands for the whole page
        self.title: list[str] = []
        self.author = ""
        self.license_url = ""
        self.unwanted = ""
        self._sources: list[Candidate] | None = None  # of the <picture> that is open, until its <img>
        self._drawing = 0  # within how many <svg>, each with a <title> of its own
        self._in_title = False

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        values = dict(attributes)
        self._drawing += tag == "svg"
        self._in_title = tag == "title" and not self._drawing and not self.title
        if tag == "img":
            self._image(values)
        elif tag == "picture":
            self._sources = []
        elif tag == "source" and self._sources is not None and _is_read(values.get("type", "")):
            self._sources += _offered(values)
        elif tag == "meta":
            self._meta(values)
        elif tag == "base" and values.get("href"):
            self.base = self._absolute(values["href"]) or self.base
        elif tag in ("a", "link") and "license" in values.get("rel", "").lower().split():
            self.license_url = str(self._absolute(values.get("href", ""), _LONGEST_LICENCE) or "")

    def end(self, tag: str) -> None:
        self._drawing -= tag == "svg" and self._drawing > 0
        self._in_title = False
        if tag == "picture":
            self._sources = None

    def data(self, text: str) -> None:
        if self._in_title:
            self.title.append(text)

    def _meta(self, values: dict[str, str]) -> None:
        name, content = values.get("name", "").lower(), values.get("content", "")
        if name in ("robots", AGENT):
            self.unwanted = self.unwanted or unwanted_directives([content])
        elif name == "tdm-reservation" and content.strip() == "1":
            self.unwanted = self.unwanted or "tdm-reservation"
        elif name == "author":
            self.author = content
        elif values.get("property", "").lower() == "og:image":
            self.own_picture = self._picture(content, "") or self.own_picture

    def _image(self, values: dict[str, str]) -> None:
        """The largest of what a browser could choose from; of equals the element's own, for old browsers."""
        plain = Candidate(0.0, 1.0, values.get("data-src") or values.get("src", ""))
        offered = [plain, *_offered(values), *(self._sources or ())]
        self._sources = None if self._sources is None else []
        for candidate in sorted(offered, key=size_of, reverse=True):
            if self._picture(candidate.address, values.get("alt") or values.get("title", "")):
                return

    def _picture(self, address: str, words: str) -> str:
        """The address of a picture on the web, which is noted; empty if it is none."""
        url = self._absolute(address.strip())
        if url is None or url.scheme not in ("http", "https"):
            return ""
        if str(url) not in self.pictures and len(self.pictures) == self.most:
            self.has_more = True
        else:  # it may come several times, and be described only once (og:image has no words)
            self.pictures[str(url)] = self.pictures.get(str(url)) or words
        return str(url)

    def _absolute(self, address: str, longest: int = _LONGEST_LINK) -> URL | None:
        if not 0 < len(address) <= longest:
            return None
        try:
            url = self.base.join(URL(address)).with_fragment(None)
        except (ValueError, TypeError):
            return None
        return url if len(str(url)) <= longest else None  # the base is in it, and %D0%BA for one letter


def _offered(values: Mapping[str, str]) -> Iterator[Candidate]:
    """What an element's srcset offers; pages that load pictures late have it under another name."""
    return candidates(values.get("data-srcset") or values.get("srcset", ""))


def _is_read(media_type: str) -> bool:
    """Whether pictures of this type (image/webp) can be opened; most do not name theirs."""
    subtype = media_type.partition(";")[0].strip().lower().removeprefix("image/")
    return not subtype or f".{subtype}" in SUFFIXES


def _decoded(body: bytes, content_type: str) -> str:
    """By its byte order mark; by the charset parameter where it names an encoding of web pages; as UTF-8."""
    for mark, encoding in _MARKS.items():
        if body.startswith(mark):
            return body.removeprefix(mark).decode(encoding, "replace")
    name = content_type.lower().partition("charset=")[2].partition(";")[0].strip(" \"'")
    try:
        known = codecs.lookup(name).name.startswith(_CHARSETS)
    except (LookupError, ValueError):  # no such encoding; no name at all
        known = False
    return body.decode(name if known else "utf-8", "replace")
