"""The page that a browser shows where an address leads to a problem: what is wrong, and a way home."""

from __future__ import annotations

from html import escape
from string import Template

from starlette.datastructures import Headers

_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>$title · Caption Search</title>
<link rel="icon" href="/static/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/static/page.css">
<script src="/static/theme.js"></script>
</head>
<body>
<header class="top">
  <a class="brand" href="/"><img src="/static/icon.svg" alt="" width="30" height="30">Caption Search</a>
</header>
<main>
  <section class="ask">
    <h1>$title</h1>
    <p class="lead">$detail</p>
    <a class="button primary" href="/">To the search</a>
  </section>
</main>
</body>
</html>
""")


def wants_page(asker: Headers) -> bool:
    """Whether this is a browser that opens an address: those name HTML, and scripts and programs do not.

    A program that takes both is better served by the document.
    """
    accepted = asker.get("accept", "")
    return "text/html" in accepted and "json" not in accepted


def problem_page(title: str, detail: str) -> str:
    return _PAGE.substitute(title=escape(title), detail=escape(detail))
