"""A browser without JavaScript: follows links, fills forms as they stand on the page, keeps cookies."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import requests

PASSWORD = "a long enough sentence"
VOID = {"input", "meta", "link", "br", "img", "hr", "wbr"}


class _Forms(HTMLParser):
    """The forms of a page: action, enctype, and what their fields hold; its headings too."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[dict[str, Any]] = []
        self._open: dict[str, Any] | None = None
        self._select = self._area = ""
        self._button: dict[str, Any] | None = None

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if tag == "form":
            self._open = {
                "action": given.get("action"),
                "method": given.get("method", "get"),
                "fields": {},
                "buttons": [],
            }
            self.forms.append(self._open)
        if self._open is None:
            return
        fields, name = self._open["fields"], given.get("name")
        if tag == "input" and name and given.get("type") != "file":
            if given.get("type") != "checkbox":
                fields[name] = given.get("value") or ""
            else:
                fields.setdefault(name, []).extend([given.get("value")] if "checked" in given else [])
        elif tag == "select":
            self._select = name or ""
        elif tag == "option" and self._select:
            if "selected" in given or self._select not in fields:
                fields[self._select] = given.get("value") or ""
        elif tag == "textarea":
            self._area = name or ""
            fields[self._area] = ""
        elif tag == "button":
            self._button = {"name": name, "value": given.get("value") or "", "text": ""}
            self._open["buttons"].append(self._button)

    def handle_data(self, data: str) -> None:
        if self._button is not None:
            self._button["text"] += data
        if self._area and self._open is not None:
            self._open["fields"][self._area] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None
        elif tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._area = ""
        elif tag == "button":
            self._button = None


class Browser:
    """One person at one server."""

    def __init__(self, url: str) -> None:
        self.url, self.session = url, requests.Session()
        self.session.trust_env = False  # to look for proxies takes longer than the request
        self.status, self.page, self.place = 0, "", url

    def _took(self, answer: requests.Response) -> Browser:
        self.status, self.page, self.place = answer.status_code, answer.text, answer.url
        return self

    def open(self, path: str) -> Browser:
        return self._took(self.session.get(urljoin(self.url, path), timeout=60))

    def press(self, button: str, files: dict[str, Any] | None = None, **filled: Any) -> Browser:
        """Presses a button of this page, once the fields of its form are filled in."""
        parser = _Forms()
        parser.feed(self.page)
        for form in parser.forms:
            for there in form["buttons"]:
                if " ".join(there["text"].split()) == button:
                    unknown = filled.keys() - form["fields"].keys()
                    assert not unknown, f"the form has no {unknown}: {sorted(form['fields'])}"
                    fields = form["fields"] | filled | ({there["name"]: there["value"]} if there["name"] else {})
                    return self._send(form, fields, files)
        raise AssertionError(f"no button {button!r} on {self.place}: {self.text[:2000]}")

    def _send(self, form: dict[str, Any], fields: dict[str, Any], files: dict[str, Any] | None) -> Browser:
        where = urljoin(self.place, form["action"])
        if form["method"].lower() == "get":
            return self._took(self.session.get(where, params=fields, timeout=60))
        return self._took(self.session.post(where, data=fields, files=files, timeout=60))

    @property
    def text(self) -> str:
        """What a reader sees: no tags, no entities, single spaces."""
        body = re.sub(r"<(script|title|template)\b.*?</\1>", " ", self.page, flags=re.DOTALL)
        body = re.sub(r"</?(wbr|data|strong|code|bdi|time)\b[^>]*>", "", body)
        return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())

    def set_up(self, link: str, email: str = "ada@example.com", name: str = "Ada Lovelace") -> Browser:
        self.open(link).press("Create the owner", email=email, name=name, password=PASSWORD)
        assert "Overview" in self.text, self.text
        return self

    def log_in(self, email: str, password: str = PASSWORD) -> Browser:
        return self.open("/app/login").press("Log in", email=email, password=password)
