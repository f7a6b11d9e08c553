"""Renders templates, and serves the static files they link to."""

from __future__ import annotations

import hashlib
from functools import cached_property
from importlib import resources
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..http.messages import Reply
from .words import (
    breakable,
    clean,
    coded,
    count,
    data_uri,
    exact,
    figure,
    moment_of,
    month_text,
    places,
    segments,
    wrapped,
)

if TYPE_CHECKING:
    from jinja2 import Environment

HTML = "text/html; charset=utf-8"
CONTENT_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
FORM_POLICY = CONTENT_POLICY.replace("form-action 'none'", "form-action 'self'")
TYPES = {"css": "text/css; charset=utf-8", "svg": "image/svg+xml", "js": "text/javascript; charset=utf-8"}
STYLES = ("pacspace.css", "docs.css", "receipt.css", "shared.css", "dashboard.css")
ASSETS = (*STYLES, "mark.svg", "dashboard.js", "htmx.min.js")
IMMUTABLE = "public, max-age=31536000, immutable"
HASH_CHARS = 16


class Renderer:
    """Renders templates. The name of every static file contains the hash of its content."""

    def __init__(self, public_url: str) -> None:
        self._base = urlsplit(public_url).path.rstrip("/")
        self._assets: dict[str, tuple[str, bytes]] = {}
        self._urls: dict[str, str] = {}
        for name in ASSETS:
            self._add(name, resources.files(__package__).joinpath("static", name).read_bytes())

    def _add(self, name: str, body: bytes) -> None:
        stem, _, extension = name.rpartition(".")
        hashed = f"{stem}.{hashlib.sha256(body).hexdigest()[:HASH_CHARS]}.{extension}"
        self._assets[hashed] = TYPES[extension], body
        self._urls[name] = f"{self._base}/static/{hashed}"

    @cached_property
    def _templates(self) -> Environment:
        """Created for the first page: a server that only records never imports Jinja."""
        import jinja2

        made = jinja2.Environment(
            loader=jinja2.PackageLoader(__package__),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        made.globals |= {"asset": self._urls.__getitem__, "link": self.link}
        filters = (breakable, clean, coded, count, data_uri, exact, figure, places, segments, wrapped)
        made.filters |= {each.__name__: each for each in filters} | {"moment": moment_of, "month": month_text}
        return made

    def link(self, path: str) -> str:
        """A path of this server, as browsers see it."""
        return self._base + path

    def redirect(self, path: str) -> Reply:
        """A redirect after a form."""
        headers = {"Location": self.link(path), "Cache-Control": "no-store"}
        return Reply(303, body=b"", headers=headers, media_type=HTML)

    def page(self, template: str, status: int = 200, policy: str = CONTENT_POLICY, **values: Any) -> Reply:
        """A page with its headers. Caches must not store it."""
        body = self._templates.get_template(template).render(values).encode()
        headers = {"Content-Security-Policy": policy, "Cache-Control": "no-store"}
        return Reply(status, body=body, headers=headers, media_type=HTML)

    def asset(self, name: str) -> Reply | None:
        """A static file by its hashed name."""
        found = self._assets.get(name)
        if found is None:
            return None
        media_type, body = found
        headers = {"Content-Security-Policy": CONTENT_POLICY, "Cache-Control": IMMUTABLE}
        return Reply(200, body=body, headers=headers, media_type=media_type)
