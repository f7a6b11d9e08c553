"""Columns that both engines have, and the rows made from them."""

from __future__ import annotations

from typing import Any

from ..model.records import ApiKey

LOG = (
    "l.id, l.environment_id, e.name, l.origin, l.blinding_key, l.size, l.published_size, k.note, k.published_at, "
    "l.verifier_key, l.restored_from, l.seal, k.root, k.previous_size, k.seal "
    "FROM log l JOIN environment e ON e.id = l.environment_id "
    "LEFT JOIN log_checkpoint k ON k.log_id = l.id AND k.size = l.published_size"
)
KEY = (
    "k.id, k.environment_id, e.name, k.public_id, k.secret_hash, k.name, k.scopes, k.created_at, k.revoked_at, "
    "k.disabled_at, k.last_used_at FROM api_key k JOIN environment e ON e.id = k.environment_id"
)


def api_key_of(row: Any) -> ApiKey:
    values: list[Any] = [*row[:6], tuple(row[6].split(",")), *row[7:]]
    return ApiKey(*values)
