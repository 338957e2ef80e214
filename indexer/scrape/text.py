"""Titles and names from the web as plain text: no markup, no control characters, one line."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from html import unescape

from lxml import etree

_LONGEST = 500
#: Characters of a credit line that is taken as it is given; in a longer one the title alone may be that long.
_LONGEST_CREDIT = 2_000
#: Elements whose text is not for readers.
_SILENT = frozenset({"script", "style", "template", "noscript"})

#: A "<" that begins no comment.
_LONE = re.compile("<(?!!)")


class HtmlReader:
    """Receives the parts of an HTML text in order; what a reader has no method for is passed over."""

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""

    def end(self, tag: str) -> None:
        """An element ends."""

    def data(self, text: str) -> None:
        """Text within elements; some of it, where it is long."""

    def close(self) -> None:
        """That was all."""


def read_html(text: str, reader: HtmlReader) -> None:
    """Give a reader the parts of an HTML text, whatever its markup; what no browser reads is passed over.

    Takes time in proportion to the length. Python's own HTMLParser takes its square where tags do not end,
    and raises for some markup.
    """
    parser = etree.HTMLParser(target=reader, encoding="utf-8")
    try:
        parser.feed(text.replace("\0", "").encode("utf-8", "ignore"))
        parser.close()
    except etree.XMLSyntaxError:  # there is nothing in it, or elements lie too deep; what was read counts
        pass


class _VisibleText(HtmlReader):
    """Collects what a reader would see."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self._silent = 0

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._silent += tag in _SILENT
        self.parts.append(" " if tag in ("br", "p", "div", "li", "td") else "")

    def end(self, tag: str) -> None:
        self._silent -= tag in _SILENT and self._silent > 0

    def data(self, text: str) -> None:
        if not self._silent:
            self.parts.append(text)


def plain_text(value: object) -> str:
    """A text from outside, cleaned; "" for what is no text. Scripts of all languages stay as they are.

    Titles are untrusted: markup is dropped, entities are decoded (twice, for those escaped twice),
    and so are control, surrogate and bidirectional characters that would garble a terminal or a page.
    """
    return _clean(value)[:_LONGEST].rstrip()


def _clean(value: object) -> str:
    if not isinstance(value, str):
        return ""
    text = unescape(_without_markup(value))
    if "<" in text:
        text = _without_markup(text)
    kept = "".join(" " if character.isspace() else character for character in text)
    kept = "".join(character for character in kept if not _garbles(character))
    return " ".join(unicodedata.normalize("NFC", kept).split())


def _without_markup(text: str) -> str:
    """A "<" that no ">" follows begins no tag: it is text. A comment needs no end."""
    if "<" not in text and "&" not in text:  # as most titles are: a parser costs more than all the rest
        return text[: 20 * _LONGEST]
    tags, end, rest = text.rpartition(">")
    reader = _VisibleText()
    read_html((tags + end + _LONE.sub("&lt;", rest))[: 20 * _LONGEST], reader)
    return "".join(reader.parts)


def _garbles(character: str) -> bool:
    """Control, unassigned and format characters; joiners stay, for scripts and emoji need them."""
    return unicodedata.category(character).startswith("C") and character not in "\u200c\u200d"


def attribution(title: str, creator: str, license_name: str, page: str, given: object = None) -> str:
    """A credit line: the one given, or one made of title, creator, licence and source.

    One that is too long to keep whole would lose the licence at its end, so it is made anew.
    """
    own = _clean(given)
    if 0 < len(own) <= _LONGEST_CREDIT:
        return own
    named = f'"{title}"' if title else "Untitled"
    by = f" by {creator}" if creator else ""
    under = f", {license_name}" if license_name else ""
    return f"{named}{by}{under}, {page}" if page else f"{named}{by}{under}"
