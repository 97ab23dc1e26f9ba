"""Open a page from a file with the network refused, as a colleague does on a plane."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, Route


@contextmanager
def offline_page(
    browser: Browser, page: Path, script: str, width: int = 1280, height: int = 800
) -> Iterator[tuple[Page, list[str]]]:
    """A tab that may load ``page`` and nothing else, with ``script`` run before the page's own.

    Yields
    ------
    The tab, which nothing has been loaded into yet, and the addresses that it asked for in vain.
    """
    context = browser.new_context(viewport={"width": width, "height": height})
    refused: list[str] = []

    def refuse(route: Route) -> None:
        if route.request.url == page.as_uri():
            route.continue_()
        else:
            refused.append(route.request.url)
            route.abort()

    context.route("**/*", refuse)
    context.add_init_script(script)
    tab = context.new_page()
    tab.set_default_timeout(120_000)
    yield tab, refused
    context.close()
