"""Cookies: one reader, one writer, and every cookie's name."""

from __future__ import annotations

SESSION = "pacspace_session"  # a user who is logged in
STRANGER = "pacspace_visitor"  # binds the forms before the log-in to one browser
NOTICE = "pacspace_notice"  # a line that the next page shows once
RECORD = "pacspace_record"  # on a Shared Record: the visitor, and whether they gave the access code


def cookies_named(header: str | None, name: str) -> list[str]:
    """The values of one cookie in a Cookie header; several if they belong to several paths."""
    pairs = (part.strip().partition("=") for part in (header or "").split(";"))
    return [value for each, _, value in pairs if each == name and value]


def cookie_named(header: str | None, name: str) -> str | None:
    return next(iter(cookies_named(header, name)), None)


def set_cookie(name: str, value: str, max_age_s: int, public_url: str, path: str = "/") -> str:
    """A Set-Cookie header; a max age of 0 removes the cookie. Over https the cookie is Secure."""
    secure = "; Secure" if public_url.startswith("https:") else ""
    return f"{name}={value}; Max-Age={max_age_s}; Path={path}; HttpOnly; SameSite=Lax{secure}"
