"""The limits that clients can ask for."""

from __future__ import annotations

from pacspace_proofs.canonical import MAX_TOTAL_CHARS, SCALE_DIGITS

from ...domain.posting import MAX_AGE_MONTHS
from ...domain.scopes import MAX_MONTHS

MAX_BATCH_ITEMS = 1_000
MAX_BUCKETS = 1_200  # of a breakdown
MAX_METADATA_BYTES = 16 * 1024
MAX_REASON_CHARS = 500
MAX_REFERENCE_CHARS = 255
MAX_BODY_BYTES = 1 << 20
MAX_BATCH_BODY_BYTES = 8 << 20
MAX_PAGE = 1_000
DEFAULT_PAGE = 100


def limits() -> dict[str, int]:
    return {
        "maxScopeMonths": MAX_MONTHS,
        "maxLastNDays": MAX_MONTHS * 30,
        "maxBuckets": MAX_BUCKETS,
        "maxBatchItems": MAX_BATCH_ITEMS,
        "maxMetadataBytes": MAX_METADATA_BYTES,
        "maxReasonChars": MAX_REASON_CHARS,
        "maxReferenceIdChars": MAX_REFERENCE_CHARS,
        "maxDelta": 1_000_000_000,
        "maxFractionDigits": SCALE_DIGITS,
        "maxTotalChars": MAX_TOTAL_CHARS,
        "maxOccurredAtAgeMonths": MAX_AGE_MONTHS,
        "maxBodyBytes": MAX_BODY_BYTES,
        "maxBatchBodyBytes": MAX_BATCH_BODY_BYTES,
        "maxPage": MAX_PAGE,
    }
