"""Answers as one self-contained HTML file: pictures inside, no script, nothing fetched, all escaped."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from html import escape

from captioner.drawing.page import document, linked, named, safe, write_document
from captioner.drawing.picture import data_uri, thumbnail
from captioner.tokens import Analyzer, analyzer
from search.hits import Answer, Hit, Results
from search.render.certificate import certificate, no_hits
from search.render.query_words import told
from search.render.words import marked, reasons

_PICTURE, _QUERY = 360, 720  # longest sides in pixels

_STYLE = """
section { display: grid; grid-template-columns: minmax(16rem, 26rem) 1fr; gap: clamp(1rem, 3vw, 2.5rem);
  margin-bottom: 3rem; align-items: start; }
header { position: sticky; top: 1.5rem; }
header img { width: 100%; max-height: 55vh; object-fit: contain; object-position: left top;
  border-radius: .5rem; }
h1 { font-size: 1.35rem; line-height: 1.3; margin: .75rem 0; font-weight: 500; }
.also { margin: .35rem 0; }
h1 mark, .also mark, .caption mark { color: var(--mark); background: var(--mark-paper); border-radius: .25em;
  padding: 0 .15em; font-weight: 600; }
ol { list-style: none; margin: 0; padding: 0; display: grid; gap: 1.25rem;
  grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); }
li { background: var(--card); border: 1px solid var(--edge); border-radius: .6rem; overflow: hidden; }
li > a { display: block; text-decoration: none; }
li img, .missing { display: block; width: 100%; aspect-ratio: 4 / 3; object-fit: cover;
  background: var(--empty); }
.missing { display: grid; place-content: center; text-align: center; color: var(--pale); padding: 1rem;
  font-size: .875rem; }
meter { display: block; width: 100%; height: .4rem; border: 0; background: var(--edge); appearance: none; }
meter::-webkit-meter-bar { background: var(--edge); border: 0; border-radius: 0; height: .4rem; }
meter::-webkit-meter-optimum-value { background: var(--mark); }
meter::-moz-meter-bar { background: var(--mark); }
.text { padding: .75rem .9rem .9rem; }
.score { display: flex; justify-content: space-between; margin: 0 0 .4rem;
  font-variant-numeric: tabular-nums; }
.caption { margin: 0 0 .5rem; }
.words { margin: .15rem 0; font-size: .875rem; }
.words b { color: var(--pale); font-weight: 500; }
@media (max-width: 50rem) { section { grid-template-columns: 1fr; } header { position: static; }
  ol { grid-template-columns: repeat(auto-fill, minmax(min(100%, 15rem), 1fr)); } }
"""


def page(answers: Sequence[Answer]) -> str:
    """The whole file."""
    return document("Similar images", _STYLE, "\n".join(_section(answer) for answer in answers))


def write_page(answers: Sequence[Answer], path: str | os.PathLike[str]) -> None:
    """Write the page; the file is whole, or as it was before."""
    write_document(page(answers), path)


def _section(answer: Answer) -> str:
    if answer.results is None:
        return f'<section><p class="warn">{safe(answer.error or answer.name)}</p></section>'
    results, analyze = answer.results, analyzer(answer.results.analyzer)
    hits = "\n".join(_hit(hit, results, analyze) for hit in results.hits)
    none = "" if results.hits else f'<p class="pale">{safe(_sentence(no_hits(results)))}</p>'
    query = _query(answer, results, analyze)
    return f"<section>\n<header>{query}</header>\n<ol>\n{hits}\n</ol>{none}\n</section>"


def _query(answer: Answer, results: Results, analyze: Analyzer) -> str:
    if not results.tokens:
        return f"<h1>{'Random images' if results.drawn else safe(results.caption or 'No words')}</h1>"
    picture = thumbnail(answer.photo, _QUERY, _QUERY)
    image = f'<img src="{data_uri(picture)}" alt="the photo searched for">' if picture else ""
    first, *others = (_marked(one.caption, one.tokens, analyze) for one in results.asked)
    also = "".join(f'<p class="also">or: {caption}</p>' for caption in others)
    words = "".join(f'<p class="words"><b>{what}</b> {escape(said)}</p>' for what, said in told(results))
    proof = f'<p class="{"pale" if results.exact else "warn"}">{_sentence(certificate(results))}</p>'
    return f"{image}<h1>{first}</h1>{also}{words}{proof}"


def _sentence(line: str) -> str:
    return line[:1].upper() + line[1:]


def _hit(hit: Hit, results: Results, analyze: Analyzer) -> str:
    picture = thumbnail(hit.image, _PICTURE, _PICTURE)
    image = (
        f'<img src="{data_uri(picture)}" alt="{safe(hit.caption)}">'
        if picture
        else f'<div class="missing">no picture here<br>{named(hit.image_id)}</div>'
    )
    image = linked(image, hit.image)
    scored = "".join(_scored(hit, results, analyze)) if results.tokens else ""
    meter = f'<meter value="{hit.jaccard:.4f}" aria-label="similarity"></meter>' if results.tokens else ""
    score = f"<span>{hit.jaccard:.3f} · {hit.overlap} of {hit.union}</span>" if results.tokens else ""
    return (
        f'<li>{image}{meter}<div class="text"><p class="score"><strong>{hit.rank}</strong>{score}</p>'
        f'<p class="caption">{_marked(hit.caption, hit.shared, analyze)}</p>{scored}'
        f'<p class="pale">{named(hit.image_id)}{_origin(hit)}</p></div></li>'
    )


def _scored(hit: Hit, results: Results, analyze: Analyzer) -> Iterator[str]:
    why = reasons(hit, analyze)
    if results.several:
        yield f'<p class="words"><b>by</b> {safe(hit.asked.caption)}</p>'
    for label, words in (
        ("lacks", map(safe, why.lacks)),
        ("adds", map(safe, why.adds)),
        ("near copies", map(named, hit.duplicates)),
    ):
        if listed := ", ".join(words):
            yield f'<p class="words"><b>{label}</b> {listed}</p>'


def _origin(hit: Hit) -> str:
    """Where the picture comes from and on what terms, as far as the index knows."""
    known = (hit.source, hit.kind, hit.record.license, hit.record.attribution)
    return "".join(f" · {safe(text)}" for text in known if text)


def _marked(caption: str, tokens: Collection[str], analyze: Analyzer) -> str:
    return "".join(
        f"<mark>{escape(piece)}</mark>" if mark else escape(piece)
        for piece, mark in marked(caption, tokens, analyze)
    )
