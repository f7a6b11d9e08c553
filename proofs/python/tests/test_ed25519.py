"""The arithmetic in Python and the library give the same verdicts."""

from __future__ import annotations

import builtins
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from proofs.vectors import cases_values as cases
from proofs.vectors import maker

from pacspace_proofs import ed25519

# RFC 8032 section 7.1, tests 1 to 3.
RFC_8032 = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]


@pytest.fixture(params=["library", "python"])
def either(request: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once with the library, once as if it were not installed."""
    if request.param == "python":
        honest = builtins.__import__

        def without(name: str, *rest: Any, **more: Any) -> Any:
            if name.startswith("cryptography"):
                raise ImportError(name)
            return honest(name, *rest, **more)

        monkeypatch.setattr(builtins, "__import__", without)
        assert ed25519._library() is None


@pytest.mark.parametrize("key, message, signature", RFC_8032)
def test_the_rfcs_examples(either: None, key: str, message: str, signature: str) -> None:
    """The signatures printed in RFC 8032 are good."""
    assert ed25519.verify(*map(bytes.fromhex, (key, message, signature)))


def test_bad_signatures(either: None) -> None:
    """Other message, other key, flipped bits, S >= L, wrong lengths: none is a signature."""
    key, other = maker.Key("a", maker.secret("a")), maker.Key("b", maker.secret("b"))
    good = key.private.sign(b"message")
    large_s = good[:32] + (int.from_bytes(good[32:], "little") + cases.L).to_bytes(32, "little")
    assert ed25519.verify(key.public, b"message", good)
    assert not ed25519.verify(key.public, b"messagf", good)
    assert not ed25519.verify(other.public, b"message", good)
    for wrong in (large_s, good[:63], good + b"\0", b"", bytes(64), good[32:] + good[:32], b"\xff" * 64):
        assert not ed25519.verify(key.public, b"message", wrong)
    for bit in range(0, 512, 13):
        flipped = bytearray(good)
        flipped[bit // 8] ^= 1 << bit % 8
        assert not ed25519.verify(key.public, b"message", bytes(flipped))


WEAK = [*cases.SMALL_ORDER, *cases.NOT_CANONICAL.values(), *cases.NOT_A_POINT.values(), "", "00" * 31, "00" * 33]


@pytest.mark.parametrize("encoded", WEAK)
def test_weak_keys(either: None, encoded: str) -> None:
    """Keys of small order, in another encoding, or that are no point, verify nothing, not even what is made for them."""
    key = bytes.fromhex(encoded)
    assert not ed25519.is_public_key(key)
    # R = identity and S = 0 satisfy the equation for any key whose multiple by the challenge vanishes.
    identity = (1).to_bytes(32, "little")
    assert not any(ed25519.verify(key, bytes([n]), identity + bytes(32)) for n in range(8))


@settings(max_examples=25, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=64), st.integers(0, 511))
def test_both_paths_agree(seed: bytes, message: bytes, bit: int) -> None:
    """Library and Python judge good and flipped signatures alike."""
    key = maker.Key("a", seed)
    good = key.private.sign(message)
    flipped = bytearray(good)
    flipped[bit // 8] ^= 1 << bit % 8
    for signature in (good, bytes(flipped)):
        if int.from_bytes(signature[32:], "little") < cases.L:
            assert ed25519.verify_in_python(key.public, message, signature) == (signature == good)
            assert ed25519.verify(key.public, message, signature) == (signature == good)
