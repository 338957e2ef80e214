"""A real Chromium on the page, and what is asked of every visit: no error, no stranger, no barrier."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, Route

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)

SIZES: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1280, "height": 860}},
    "phone": {
        "viewport": {"width": 390, "height": 844},
        "device_scale_factor": 2,
        "has_touch": True,
        "is_mobile": True,
    },
}

#: Where to put screenshots, for the README; nowhere unless asked.
SCREENSHOTS = os.environ.get("PAGE_SCREENSHOTS")


def launch(playwright: Playwright) -> Browser:
    return playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=list(FLAGS))


#: Waits for what is on its way from one look to another; what sweeps for ever is left out.
_AT_REST = """() => Promise.all(document.getAnimations()
    .filter((one) => Number.isFinite(one.effect.getComputedTiming().iterations))
    .map((one) => one.finished.catch(() => {})))"""


@dataclass
class Visit:
    """One visitor's page. `complaints` gathers what a visit must not have."""

    page: Page
    url: str
    size: str
    complaints: list[str] = field(default_factory=list)
    #: HTTP statuses that a test provokes; the browser logs each as a console error.
    expected: set[int] = field(default_factory=set)

    def open(self, address: str = "/") -> None:
        self.page.goto(self.url + address)

    def cards(self) -> list[str]:
        """Image ids in the grid, in order."""
        ids: list[str] = self.page.locator(".card:not(.ghost)").evaluate_all(
            "all => all.map(c => c.dataset.id)"
        )
        return ids

    def scroll_to(self, cards: int) -> None:
        """Go to the end of the page, and on as more comes, until it has so many cards."""
        while (before := len(self.cards())) < cards:
            self.page.evaluate("scrollTo(0, document.body.scrollHeight)")
            self.page.locator(f".card:nth-child({before + 1})").wait_for(state="attached")

    def has(self, selector: str, text: str) -> None:
        """Wait until an element that can be seen has this text."""
        self.page.locator(selector).filter(has_text=text).first.wait_for()

    def settled(self) -> None:
        """Wait until the answer is there."""
        self.page.locator(".grid:not([aria-busy]) .card:not(.ghost)").first.wait_for()

    def loads_pages_only_when_told(self) -> None:
        """Not by itself, where the end of those that are there is near. Before `open`."""
        self.page.add_init_script("IntersectionObserver = class { observe() {} disconnect() {} }")

    def choose_no_photo(self, folder: Path) -> None:
        """On the start page, give a file that is none."""
        self.open()
        self.settled()
        self.give_no_photo(folder)

    def give_no_photo(self, folder: Path) -> None:
        """Wherever the page is."""
        self.expected = {422}
        bad = folder / "bad.jpg"
        bad.write_bytes(b"not a photo at all")
        self.page.set_input_files("#choose", bad)
        self.has("#trouble", "The photo cannot be used")

    def barriers(self) -> list[str]:
        """What axe finds that matters: rule, and where. Colours count when they no longer change."""
        self.page.evaluate(_AT_REST)
        found = Axe().run(self.page).response["violations"]
        return [
            f"{rule['id']}: {[node['html'][:120] for node in rule['nodes'][:3]]}"
            for rule in found
            if rule["impact"] in ("moderate", "serious", "critical")
        ]

    def picture(self, name: str) -> None:
        """A screenshot for the README, where one is asked for."""
        if SCREENSHOTS:
            self.page.wait_for_load_state("networkidle")
            path = Path(SCREENSHOTS) / f"page-{name}.png"
            self.page.screenshot(path=path, scale="css", animations="disabled")
            _shrink(path)


class Held:
    """Requests that get no answer until a test gives one.

    A request that the page has made comes here later, unless the page gives it up before: `wait` first.
    """

    def __init__(self, visitor: Visit, *patterns: str) -> None:
        self._page = visitor.page
        self.routes: list[Route] = []
        for pattern in patterns:
            self._page.route(pattern, self._hold)

    def _hold(self, route: Route) -> None:
        self.routes.append(route)

    def wait(self) -> None:
        """Until there is one."""
        for _ in range(2_000):
            if self.routes:
                return
            self._page.wait_for_timeout(10)
        raise AssertionError("the page asked for nothing that is held")

    def let_go(self) -> None:
        """Answer the first one, which may still be to come."""
        self.wait()
        self.routes[0].continue_()


def _shrink(path: Path) -> None:
    """256 colours: the page's own exactly, the rest for the photos, which are dithered."""
    with Image.open(path) as image:
        whole = image.convert("RGB")
    counted = sorted(whole.getcolors(1 << 24) or [], reverse=True)
    own = [colour for _, colour in counted[:64]]
    photos = whole.quantize(256 - len(own), method=Image.Quantize.MAXCOVERAGE)
    palette = Image.new("P", (1, 1))
    palette.putpalette([part for colour in own for part in colour] + (photos.getpalette() or []))
    whole.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(path, optimize=True)


@contextmanager
def visit(browser: Browser, url: str, size: str, **options: Any) -> Iterator[Visit]:
    """A new visitor; at the end there must have been no complaint."""
    context: BrowserContext = browser.new_context(**(SIZES[size] | options))
    context.set_default_timeout(20_000)
    page = context.new_page()
    visitor = Visit(page, url, size)

    def console(message: Any) -> None:
        wanted = any(f"status of {status} " in message.text for status in visitor.expected)
        if message.type in ("error", "warning") and not wanted:
            visitor.complaints.append(f"console: {message.text}")

    def asked(request: Any) -> None:
        if not request.url.startswith((url, "blob:", "data:")):
            visitor.complaints.append(f"asked a stranger: {request.url}")

    page.on("console", console)
    page.on("pageerror", lambda error: visitor.complaints.append(f"error: {error}"))
    page.on("request", asked)
    try:
        yield visitor
        assert visitor.complaints == []
    finally:
        context.close()
