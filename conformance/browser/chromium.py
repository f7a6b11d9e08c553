"""Debian's Chromium, driven by Playwright, and what it said about the pages that it opened. No browser is ever downloaded."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

PROGRAM = Path("/usr/bin/chromium")
SWITCHES = [
    "--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
]  # fmt: skip
WIDE, PHONE, NARROW = {"width": 1280, "height": 860}, {"width": 390, "height": 844}, {"width": 360, "height": 740}
WAIT_MS = 15_000
OWN_VIEWER = "chrome-extension://", "chrome://"  # Chromium's, for PDFs, which has no icon to name
REFUSED = "Failed to load resource: the server responded with a status of 4"


def why_not() -> str | None:
    """Why there is no Chromium, after it was tried to install it; None when it is there."""
    if PROGRAM.exists():
        return None
    if os.geteuid() != 0:
        return f"Chromium is not in {PROGRAM}: apt-get install chromium"
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
        done = subprocess.run(
            ["apt-get", "-qq", *arguments], env=environment, timeout=600, capture_output=True, text=True
        )
        if done.returncode:
            return f"apt-get {arguments[0]} could not install Chromium: {done.stderr[-500:]}"
    return None if PROGRAM.exists() else f"apt-get did not install {PROGRAM}"


@contextmanager
def chromium() -> Iterator[Browser]:
    """One browser; whoever uses it opens contexts, which share nothing."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PROGRAM, headless=True, args=SWITCHES)
        yield browser
        browser.close()


class Person:
    """One person with a browser of their own on one server: a page, and whatever went wrong on it.

    `address` is where the server believes them to be, when it trusts this machine as a proxy.
    """

    def __init__(self, browser: Browser, url: str, viewport: dict[str, int], address: str = "", **options: Any) -> None:
        headers = {"X-Forwarded-For": address} if address else {}
        self.context: BrowserContext = browser.new_context(
            viewport=viewport, accept_downloads=True, extra_http_headers=headers, locale="en-US", **options
        )
        self.context.set_default_timeout(WAIT_MS)
        self.url, self.mistakes = url, list[str]()
        self._documents: set[str] = set()
        self.context.on("request", self._asked)
        self.context.on("console", self._said)
        self.context.on("weberror", lambda error: self.mistakes.append(f"exception: {error.error}"))
        self.page: Page = self.context.new_page()

    def open(self, path: str) -> Page:
        self.page.goto(path if "://" in path else self.url + path)
        return self.page

    def _asked(self, request: Request) -> None:
        if request.is_navigation_request():
            self._documents.add(request.url)
        if not request.url.startswith((self.url + "/", "data:", *OWN_VIEWER)):
            self.mistakes.append(f"asked elsewhere: {request.url}")

    def _said(self, message: ConsoleMessage) -> None:
        """Warnings and errors, among them each report of the content policy; not that a page itself is a refusal."""
        is_page = message.location["url"] in self._documents | {f"{self.url}/favicon.ico"}
        if message.type in ("error", "warning") and not (is_page and message.text.startswith(REFUSED)):
            self.mistakes.append(f"console {message.type}: {message.text} ({message.location['url']})")

    def close(self) -> None:
        self.context.close()
        assert not self.mistakes, self.mistakes


@contextmanager
def visiting(browser: Browser, url: str, viewport: dict[str, int], **options: Any) -> Iterator[Person]:
    """A person; nothing may have gone wrong on their pages when they leave."""
    person = Person(browser, url, viewport, **options)
    try:
        yield person
    except BaseException:
        person.context.close()
        raise
    person.close()
