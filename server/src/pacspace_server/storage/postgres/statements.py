"""What a unit stores, and what it looks up for many commands at once: one statement for many rows, whose parameters are
the columns."""

from __future__ import annotations

from .rows import DELTA, HEAD, HEAD_FROM


def _unnest(types: str) -> str:
    return "unnest(" + ", ".join(f"%s::{name}[]" for name in types.split()) + ")"


BY_REFERENCE = (
    f"SELECT {DELTA} FROM {_unnest('bytea bytea')} AS n(shard_key, mac) "
    "JOIN delta d ON d.shard_key = n.shard_key AND d.reference_mac = n.mac"
)
BY_KEY = (
    f"SELECT x.shard_key, x.key_hash FROM {_unnest('bytea bytea')} AS n(shard_key, key_hash) "
    "JOIN idempotency x ON x.shard_key = n.shard_key AND x.key_hash = n.key_hash"
)
HEADS = (
    f"SELECT {HEAD} FROM {_unnest('bytea text')} AS n(shard_key, period) "
    f"JOIN ({HEAD_FROM}) ON h.shard_key = n.shard_key AND h.period = n.period"
)
DAYS = (
    "SELECT t.shard_key, t.day, t.total, t.count, t.first_sequence, t.last_sequence "
    f"FROM {_unnest('bytea integer')} AS n(shard_key, day) "
    "JOIN day_total t ON t.shard_key = n.shard_key AND t.day = n.day"
)
NEW_CUSTOMERS = "INSERT INTO customer SELECT * FROM " + _unnest(
    "bytea bigint text bytea text bigint bigint numeric bigint text bytea numeric bigint bigint"
)
SET_CUSTOMERS = (
    "UPDATE customer c SET last_sequence = n.last_sequence, total = n.total, last_recorded_at = n.last_recorded_at, "
    "locked_through = n.locked_through, locked_root = n.locked_root, locked_total = n.locked_total, "
    "locked_count = n.locked_count, last_checkpoint = n.last_checkpoint "
    f"FROM {_unnest('bytea bigint numeric bigint text bytea numeric bigint bigint')} "
    "AS n(shard_key, last_sequence, total, last_recorded_at, locked_through, locked_root, locked_total, locked_count, "
    "last_checkpoint) WHERE c.shard_key = n.shard_key"
)
NEW_LEAVES = f"INSERT INTO leaf SELECT * FROM {_unnest('bytea text boolean bytea')}"
SET_HEADS = (
    f"INSERT INTO period_head SELECT * FROM {_unnest('bytea text bigint bytea bytea bytea numeric bytea bigint bigint')} "
    "ON CONFLICT (shard_key, period) DO UPDATE SET size = excluded.size, peaks = excluded.peaks, spine = excluded.spine, "
    "merged = excluded.merged, total = excluded.total, root = excluded.root, "
    "first_recorded_at = excluded.first_recorded_at, last_recorded_at = excluded.last_recorded_at"
)
NEW_CHANGES = f"INSERT INTO changed_head SELECT * FROM {_unnest('bytea text bigint bigint')}"
SET_DAYS = (
    f"INSERT INTO day_total SELECT * FROM {_unnest('bytea integer numeric bigint bigint bigint')} "
    "ON CONFLICT (shard_key, day) DO UPDATE SET total = excluded.total, count = excluded.count, "
    "first_sequence = excluded.first_sequence, last_sequence = excluded.last_sequence"
)
COPY_DELTA = "COPY delta FROM STDIN (FORMAT binary)"
DELTA_TYPES = [
    "bytea",
    "bigint",
    "text",
    "bigint",
    "bytea",
    "numeric",
    "numeric",
    "numeric",
    "bigint",
    "bigint",
    "bigint",
    "text",
    "bytea",
    "bytea",
    "bytea",
    "bytea",
    "bytea",
    "bytea",
    "bigint",
    "bytea",
]
NEW_KEYS = f"INSERT INTO idempotency SELECT * FROM {_unnest('bytea bytea bigint bigint bytea bytea')}"
NEW_CHECKPOINTS = "INSERT INTO checkpoint SELECT * FROM " + _unnest(
    "bytea bigint bytea bigint boolean text bigint bigint bytea bigint numeric numeric numeric bigint bigint text text "
    "bigint text bytea"
)
NEW_ROOTS = f"INSERT INTO proof_root SELECT * FROM {_unnest('bytea bytea bigint')} ON CONFLICT (root) DO NOTHING"
NEW_PROFILES = f"INSERT INTO profile SELECT * FROM {_unnest('bytea text text text')}"
NEW_SLOTS = f"INSERT INTO closed_slot SELECT * FROM {_unnest('bigint bytea bigint')}"
COPY_ENTRY = "COPY log_entry FROM STDIN (FORMAT binary)"
ENTRY_TYPES = ["bigint", "bigint", "bytea", "bytea", "bytea"]
SET_INTEGRATED = (
    "INSERT INTO integrated_head (shard_key, period, integrated_size, integrated_root, integrated_peaks, "
    "integrated_total, entry_index, batch_index, batch_size, previous_size, seal) "
    f"SELECT * FROM {_unnest('bytea text bigint bytea bytea numeric bigint bigint bigint bigint bytea')} "
    "ON CONFLICT (shard_key, period) DO UPDATE SET integrated_size = excluded.integrated_size, "
    "integrated_root = excluded.integrated_root, integrated_peaks = excluded.integrated_peaks, "
    "integrated_total = excluded.integrated_total, entry_index = excluded.entry_index, "
    "batch_index = excluded.batch_index, batch_size = excluded.batch_size, previous_size = excluded.previous_size, "
    "seal = excluded.seal"
)
TAKEN_UP = (
    f"DELETE FROM changed_head x USING {_unnest('bytea text bigint')} AS n(shard_key, period, size) "
    "WHERE x.shard_key = n.shard_key AND x.period = n.period AND x.size <= n.size"
)
ERASE = (
    f"UPDATE delta d SET context = NULL, salt = NULL FROM {_unnest('bytea bigint')} AS n(shard_key, sequence) "
    "WHERE d.shard_key = n.shard_key AND d.sequence = n.sequence"
)
# Of customers whose next delta is old, the next ones: nothing else is read.
_NEXT = "SELECT sequence, recorded_at FROM delta WHERE shard_key = n.shard_key AND sequence > coalesce(r.through, 0) ORDER BY sequence"
OLDER = (
    "SELECT n.shard_key, d.sequence FROM unnest(%s::bytea[]) AS n(shard_key) "
    "LEFT JOIN retention r ON r.shard_key = n.shard_key "
    f"CROSS JOIN LATERAL ({_NEXT} LIMIT 1) AS f CROSS JOIN LATERAL ({_NEXT} LIMIT %s) AS d "
    "WHERE f.recorded_at < %s AND d.recorded_at < %s ORDER BY n.shard_key, d.sequence LIMIT %s"
)
SET_RETENTION = (
    f"INSERT INTO retention SELECT * FROM {_unnest('bytea bigint')} "
    "ON CONFLICT (shard_key) DO UPDATE SET through = excluded.through"
)
