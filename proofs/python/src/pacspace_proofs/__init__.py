"""Verifies PacSpace receipts: pure functions over bytes, standard library only.

`verify_receipts` judges receipt files; the other modules implement the formats. None of them makes proofs.
"""

from .canonical import FormatError, canonical, parse_canonical
from .note import VerifierKey, parse_verifier_key
from .receipt import Check
from .trust import Trust, WitnessPolicy, parse_trust
from .verify import FileVerdict, Month, Report, SetVerdict, verify_receipts

__all__ = [
    "Check",
    "FileVerdict",
    "FormatError",
    "Month",
    "Report",
    "SetVerdict",
    "Trust",
    "VerifierKey",
    "WitnessPolicy",
    "canonical",
    "parse_canonical",
    "parse_trust",
    "parse_verifier_key",
    "verify_receipts",
]
