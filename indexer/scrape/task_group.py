"""Tasks of an event loop that stand and fall together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable


async def run_together(tasks: Iterable[Awaitable[None]]) -> None:
    """Run all at once; the first error cancels the others and is raised."""
    running = [asyncio.ensure_future(task) for task in tasks]
    try:
        await asyncio.gather(*running)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
