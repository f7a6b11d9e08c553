"""Forms as browsers send them."""

from __future__ import annotations

import sys

import pytest

from pacspace_server.web.forms import MAX_FIELDS, MULTIPART, URLENCODED, FormError, parse_form

BOUNDARY = "----Boundary7MA4"


def multipart(*parts: tuple[str, bytes], boundary: str = BOUNDARY) -> bytes:
    body = b"".join(
        f"--{boundary}\r\nContent-Disposition: form-data; {names}\r\n\r\n".encode() + data + b"\r\n"
        for names, data in parts
    )
    return body + f"--{boundary}--\r\n".encode()


def read(*parts: tuple[str, bytes]):
    return parse_form(f"{MULTIPART}; boundary={BOUNDARY}", multipart(*parts))


def test_fields_are_read_as_they_were_typed() -> None:
    """URL-encoded fields keep their text; spaces around it go, except from a password."""
    form = parse_form(
        f"{URLENCODED}; charset=utf-8", b"name=+%C3%84pfel+%26+co+&password=+a+&lines=a%0D%0Ab&many=1&many=2&empty="
    )
    assert (form.one("name"), form.one("empty"), form.one("absent")) == ("Äpfel & co", "", "")
    assert (form.raw("password"), form.raw("absent"), form.one("lines")) == (" a ", "", "a\nb")
    assert form.many("many") == ["1", "2"]


def test_a_field_that_is_sent_twice_is_refused() -> None:
    """Where one value is expected, two are no value: nobody decides which one counts."""
    with pytest.raises(FormError, match="many is repeated"):
        parse_form(URLENCODED, b"many=1&many=2").one("many")


def test_files_are_bytes_and_fields_are_text() -> None:
    """A multipart form gives its fields as text and its files as the bytes that were sent; an empty file is no file."""
    data = "referenceId,delta\r\nr1,-1\r\n\r\nÄ\x00".encode()
    form = read(
        ('name="customerId"', "cust_ä".encode()),
        ('name="file"; filename="list.csv"', data),
        ('name="none"; filename=""', b""),
    )
    assert form.one("customerId") == "cust_ä"
    assert dict(form.files) == {"file": data}


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (None, b"a=1"),
        ("application/json", b"{}"),
        (URLENCODED, b"a=%FF"),
        (URLENCODED, b"a=\xff"),
        (URLENCODED, b"a=%00"),
        (URLENCODED, b"&".join(b"a=1" for _ in range(MAX_FIELDS + 1))),
        (MULTIPART, b"x"),
        (f"{MULTIPART}; boundary=other", multipart(('name="a"', b"1"))),
        (f"{MULTIPART}; boundary={BOUNDARY}", multipart(('name="a"', b"\xff"))),
        (f"{MULTIPART}; boundary={BOUNDARY}", multipart(('filename="a"', b"1"))),
        (f"{MULTIPART}; boundary={BOUNDARY}", multipart(*[('name="a"', b"1")] * (MAX_FIELDS + 1))),
        (f"{MULTIPART}; boundary={BOUNDARY}", multipart(('name="a"', b"1"))[:-4]),
        (f"{MULTIPART}; boundary={BOUNDARY}", multipart((f'name="a"; x="{"x" * 5000}"', b"1"))),
    ],
)
def test_what_is_no_form_is_refused(content_type: str | None, body: bytes) -> None:
    """Another content type, text that is not UTF-8, NUL, too many fields, a part without a name: refused with words."""
    with pytest.raises(FormError, match=r"form|UTF-8|U\+0000|name"):
        parse_form(content_type, body)


@pytest.mark.parametrize("piece", [b"--x\r\n\r\n\r\n", b";a=b", b'"', b"\n", b"a:b\r\n", b"; name=", b"\r\n--x"])
def test_no_form_costs_more_than_its_size(piece: bytes) -> None:
    """A form made to be slow to read is read or refused in a number of steps that is not above its bytes."""
    body = (
        b'--x\r\nContent-Disposition: form-data; name="a"' + piece * (200_000 // len(piece)) + b"\r\n\r\n\r\n--x--\r\n"
    )
    steps = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal steps
        steps += 1

    sys.setprofile(count)
    try:
        with pytest.raises(FormError):
            parse_form(f"{MULTIPART}; boundary=x", body)
    finally:
        sys.setprofile(None)
    assert steps < 5_000
