"""Debian's chromium, as every test of a page drives it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import app
from prompts import load_prompts
from retrieval.index import TileIndex
from retrieval.settings import Settings
from tests.fakes import PatternEncoder
from tests.gradio_page import serving

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NEEDS_BROWSER = (
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: the pages are not looked at"),
    # A loaded machine may lose a key or a click to a redraw of Gradio's; what fails twice is a fault of ours.
    pytest.mark.flaky(reruns=1),
)
PATIENCE_MS = 60_000
QUIET = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
# Draws WebGL without a graphics card.
SOFTWARE_GL = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist")
NO_GL = ("--disable-3d-apis",)


@contextmanager
def launched(*switches: str) -> Iterator[sync_api.Browser]:
    """A running browser that asks nobody for anything; with WebGL unless other switches are given."""
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*QUIET, *(switches or SOFTWARE_GL)]
        )
        yield browser
        browser.close()


@contextmanager
def chatting(folder: Path, index: TileIndex, encoder: PatternEncoder) -> Iterator[str]:
    """The chat with a home of its own, served; gives its address."""
    settings = Settings(home=folder / "home")
    chat = app.build_app(settings, index, encoder, load_prompts(), "offline")
    with serving(chat, settings) as address:
        yield address
