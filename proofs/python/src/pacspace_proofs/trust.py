"""The trust file: the log keys, customers and witnesses that a verifier trusts (spec/trust-file.md)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from .canonical import FormatError, is_count, is_hash, is_identifier, is_origin
from .note import COSIGNATURE, ED25519, VerifierKey, parse_verifier_key


@dataclass(frozen=True)
class WitnessPolicy:
    """At least `quorum` witnesses cosigned, each no longer ago than max_age_s (if given)."""

    witnesses: tuple[VerifierKey, ...]
    quorum: int
    max_age_s: int | None = None


@dataclass(frozen=True)
class Trust:
    """Log keys with the last size that each may sign, fingerprints of customers' slot keys, a witness policy."""

    keys: tuple[tuple[VerifierKey, int | None], ...] = ()
    customers: Mapping[tuple[str, str], str] = field(default_factory=dict)
    policy: WitnessPolicy | None = None

    def keys_of(self, origin: str) -> list[tuple[VerifierKey, int | None]]:
        return [(key, last) for key, last in self.keys if key.name == origin]


def parse_trust(text: str) -> Trust:
    """Parses a trust file's text. FormatError names the invalid line.

    Lines: `<verifier key> [<last size>]`, `customer <origin> <customerId> <slot fingerprint>`,
    `witness <verifier key>`, `quorum <n> [<max age in seconds>]`, and comments after `#`.
    """

    def once(text: str, kind: int) -> VerifierKey:
        key = parse_verifier_key(text, kind)
        if (kind, key.public_key) in seen:
            raise FormatError("this key is given twice")
        seen.add((kind, key.public_key))
        return key

    seen: set[tuple[int, bytes]] = set()
    keys: list[tuple[VerifierKey, int | None]] = []
    customers: dict[tuple[str, str], str] = {}
    witnesses: list[VerifierKey] = []
    quorums: list[tuple[int, int | None]] = []
    if "\r" in text:
        raise FormatError("trust file: lines must end with LF, but there is a carriage return")
    for number, line in enumerate(text.split("\n"), 1):
        words = re.findall("[^ \t]+", line.partition("#")[0])
        try:
            match words:
                case []:
                    pass
                case ["customer", origin, name, fingerprint] if (
                    is_origin(origin) and is_identifier(name) and is_hash(fingerprint)
                ):
                    if customers.setdefault((origin, name), fingerprint) != fingerprint:
                        raise FormatError("another fingerprint is already given for this customer")
                case ["witness", key]:
                    witnesses.append(once(key, COSIGNATURE))
                case ["quorum", count, *age] if len(age) <= 1 and all(map(is_count, [count, *age])) and not quorums:
                    quorums.append((int(count), int(age[0]) if age else None))
                case [key, *last] if len(last) <= 1 and all(map(is_count, last)):
                    keys.append((once(key, ED25519), int(last[0]) if last else None))
                case _:
                    raise FormatError("not a line of a trust file, or a repeated one")
        except FormatError as error:
            raise FormatError(f"trust file, line {number}: {error}") from error
    if witnesses and not quorums:
        quorums.append((len(witnesses), None))
    if quorums and not 0 < quorums[0][0] <= len(witnesses):
        raise FormatError("trust file: the quorum must be between 1 and the number of witnesses")
    return Trust(tuple(keys), customers, WitnessPolicy(tuple(witnesses), *quorums[0]) if quorums else None)
