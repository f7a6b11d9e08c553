"""Whether the browser tests look at every page that there is."""

from __future__ import annotations

import re
from typing import Any

from conformance.browser.places import places
from conformance.browser.stage import Stage

from pacspace_server.web import pages
from pacspace_server.web import portal as shared
from pacspace_server.web.dashboard import routes

# Those that show nothing of their own: a redirect, or a file.
NO_PAGES = {"/dashboard", "/app/receipts/{receiptId}", "/c/{handle}/export", "/static/{name:path}"}


def test_every_page_is_looked_at_by_the_browser_tests() -> None:
    """Each GET route of the dashboard, of Shared Records and of the public pages is among the places that are opened."""
    ids: Any = dict.fromkeys(("receiptId", "recordId", "proofRoot", "id"), "x")
    stage = Stage(None, "http://h/c/x", "", ids, ids, ids, "x", "/app/close/x", "/app/password?token=x", "")  # type: ignore[arg-type]
    opened = [place.path.partition("?")[0] for place in places(stage)]
    table = [route.path for route in routes.ROUTES if route.method == "GET"]
    table += [path for method, path, _ in shared.ROUTES if method == "GET"]
    table += [path for path, _ in pages.ROUTES]
    missing = [path for path in table if path not in NO_PAGES and not any(matches(path, one) for one in opened)]
    assert missing == []


def matches(route: str, path: str) -> bool:
    pattern = re.sub(r"{\w+:path}", ".+", route)
    return re.fullmatch(re.sub(r"{\w+}", "[^/]+", pattern), path) is not None
