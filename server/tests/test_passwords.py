"""Passwords, CSRF tokens and the session's cookie."""

from __future__ import annotations

import pytest
from argon2 import extract_parameters

from pacspace_server.http.cookies import SESSION, cookie_named, set_cookie
from pacspace_server.http.messages import Call
from pacspace_server.http.origin import refuse_foreign
from pacspace_server.http.refusals import status_of
from pacspace_server.service.base import passwords
from pacspace_server.service.base.errors import ServiceError
from pacspace_server.service.people import sessions


def test_a_log_in_costs_the_same_for_nobody() -> None:
    """An e-mail that nobody has is checked against a hash with the same parameters, and never fits."""
    real = passwords.hash_password("a long enough sentence")
    assert extract_parameters(passwords._NO_MATCH) == extract_parameters(real)
    assert passwords.is_password("a long enough sentence", real)
    assert not passwords.is_password("a long enough sentencE", real)
    assert not passwords.is_password("", None) and not passwords.is_password("x", "no hash")


def test_a_password_is_one_however_it_was_typed() -> None:
    """Composed and decomposed letters are the same password; short and endless ones are refused."""
    assert passwords.is_password("e\u0301ducation sentimentale", passwords.hash_password("\u00e9ducation sentimentale"))
    for text in ("short", "x" * 201):
        with pytest.raises(ServiceError):
            passwords.check_password(text)


def test_a_csrf_token_belongs_to_a_session() -> None:
    """It is another one for each session, and tells nothing of it."""
    token = sessions.csrf_token("pss_a")
    assert sessions.is_csrf_token("pss_a", token)
    assert not sessions.is_csrf_token("pss_b", token) and not sessions.is_csrf_token("pss_a", "é")
    assert "pss_a" not in token


def test_a_cookie_is_found_again() -> None:
    """What is set is what is read, behind https it is Secure, and nonsense is no cookie."""
    plain, secure = (set_cookie(SESSION, "pss_x", 60, url) for url in ("http://h", "https://h"))
    assert cookie_named("a=b; " + plain.partition(";")[0] + "; c=d", SESSION) == "pss_x"
    assert "; Secure" in secure and "; Secure" not in plain
    assert cookie_named('odd[1]={"a": 1}; pacspace_session=pss_x', SESSION) == "pss_x"
    for header in (None, "", "pacspace_session=", "=;=;\x00", "pacspace_session", "x_pacspace_session=pss_x"):
        assert cookie_named(header, SESSION) is None


@pytest.mark.parametrize(
    ("origin", "site", "is_ours"),
    [
        (None, None, True), ("https://ledger.example", "same-origin", True), ("http://inside:8787", None, True), (None, "none", True),
        ("https://evil.example", None, False), ("null", None, False), ("", None, False), ("https://ledger.example.evil.example", None, False),
        ("http://ledger.example", None, False), ("file://ledger.example", None, False), (None, "cross-site", False), (None, "same-site", False),
    ],
)  # fmt: skip
def test_writes_come_from_the_public_url_or_the_name_that_was_asked(
    origin: str | None, site: str | None, is_ours: bool
) -> None:
    """Behind a proxy both may be; another scheme, another host, and what has none, are somebody else's."""
    stated = {b"origin": origin, b"sec-fetch-site": site, b"host": "inside:8787"}
    headers = [(name, value.encode()) for name, value in stated.items() if value is not None]
    call = Call({"method": "POST", "headers": headers}, receive=None)
    if is_ours:
        refuse_foreign(call, "https://ledger.example")
    else:
        with pytest.raises(ServiceError) as raised:
            refuse_foreign(call, "https://ledger.example")
        assert (status_of(raised.value), raised.value.code) == (403, "FORBIDDEN")
