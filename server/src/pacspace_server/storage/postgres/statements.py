"""A unit's statements, and look-ups for many commands in one query."""

from __future__ import annotations

from .columns import Many
from .rows import CHECKPOINT, CUSTOMER, DELTA, HEAD, HEAD_FROM

LOCK = (
    f"SELECT {CUSTOMER}, c.last_checkpoint FROM customer c WHERE c.shard_key = ANY(%s) ORDER BY c.shard_key FOR UPDATE"
)
BY_REFERENCE = Many(
    f"SELECT {DELTA} FROM {{rows}} AS n(shard_key, mac) "
    "JOIN delta d ON d.shard_key = n.shard_key AND d.reference_mac = n.mac",
    "bytea bytea",
)
BY_KEY = Many(
    "SELECT x.shard_key, x.key_hash FROM {rows} AS n(shard_key, key_hash) "
    "JOIN idempotency x ON x.shard_key = n.shard_key AND x.key_hash = n.key_hash",
    "bytea bytea",
)
HEADS = Many(
    f"SELECT {HEAD} FROM {{rows}} AS n(shard_key, period) "
    f"JOIN ({HEAD_FROM}) ON h.shard_key = n.shard_key AND h.period = n.period",
    "bytea text",
)
LOCKS = Many(
    f"SELECT {CHECKPOINT} FROM {{rows}} AS n(shard_key, period) "
    "JOIN checkpoint k ON k.shard_key = n.shard_key AND k.period = n.period AND k.locked",
    "bytea text",
)
CHANGED = Many(
    f"SELECT {CUSTOMER}, {HEAD} FROM {{rows}} AS n(shard_key, period) "
    f"JOIN ({HEAD_FROM}) ON h.shard_key = n.shard_key AND h.period = n.period "
    "JOIN customer c ON c.shard_key = h.shard_key WHERE h.size > coalesce(i.integrated_size, 0)",
    "bytea text",
)
DAYS = Many(
    "SELECT t.shard_key, t.day, t.total, t.count, t.first_sequence, t.last_sequence, t.seal "
    "FROM {rows} AS n(shard_key, day) "
    "JOIN day_total t ON t.shard_key = n.shard_key AND t.day = n.day",
    "bytea integer",
)
NEW_DELTAS = Many(
    f"SELECT {DELTA} FROM {{rows}} WITH ORDINALITY AS n(shard_key, period, first, upto, place) "
    "JOIN delta d ON d.shard_key = n.shard_key AND d.period = n.period AND d.leaf_index >= n.first "
    "AND d.leaf_index < n.upto ORDER BY n.place, d.leaf_index",
    "bytea text bigint bigint",
)
NEW_CUSTOMERS = Many(
    "INSERT INTO customer SELECT * FROM {rows}",
    "bytea bigint text bytea text bigint bigint amount bigint text bytea amount bigint bigint bytea",
)
SET_CUSTOMERS = Many(
    "UPDATE customer c SET last_sequence = n.last_sequence, total = n.total, last_recorded_at = n.last_recorded_at, "
    "locked_through = n.locked_through, locked_root = n.locked_root, locked_total = n.locked_total, "
    "locked_count = n.locked_count, last_checkpoint = n.last_checkpoint, seal = n.seal FROM {rows} "
    "AS n(shard_key, last_sequence, total, last_recorded_at, locked_through, locked_root, locked_total, locked_count, "
    "last_checkpoint, seal) WHERE c.shard_key = n.shard_key",
    "bytea bigint amount bigint text bytea amount bigint bigint bytea",
)
NEW_LEAVES = Many("INSERT INTO leaf SELECT * FROM {rows}", "bytea text boolean bytea")
_HEAD_TYPES = "bytea text bigint bytea bytea bytea amount bytea bigint bigint bytea"
NEW_HEADS = Many("INSERT INTO period_head SELECT * FROM {rows}", _HEAD_TYPES)
SET_HEADS = Many(
    "UPDATE period_head h SET size = n.size, peaks = n.peaks, spine = n.spine, merged = n.merged, total = n.total, "
    "root = n.root, first_recorded_at = n.first_recorded_at, last_recorded_at = n.last_recorded_at, "
    "state_seal = n.state_seal FROM {rows} "
    "AS n(shard_key, period, size, peaks, spine, merged, total, root, first_recorded_at, last_recorded_at, state_seal) "
    "WHERE h.shard_key = n.shard_key AND h.period = n.period",
    _HEAD_TYPES,
)
NEW_CHANGES = Many("INSERT INTO changed_head SELECT * FROM {rows}", "bytea text bigint bigint")
_DAY_TYPES = "bytea integer amount bigint bigint bigint bytea"
NEW_DAYS = Many("INSERT INTO day_total SELECT * FROM {rows}", _DAY_TYPES)
SET_DAYS = Many(
    "UPDATE day_total t SET total = n.total, count = n.count, first_sequence = n.first_sequence, "
    "last_sequence = n.last_sequence, seal = n.seal FROM {rows} "
    "AS n(shard_key, day, total, count, first_sequence, last_sequence, seal) "
    "WHERE t.shard_key = n.shard_key AND t.day = n.day",
    _DAY_TYPES,
)
NEW_KEYS = Many("INSERT INTO idempotency SELECT * FROM {rows}", "bytea bytea bigint bigint bytea bytea")
NEW_CHECKPOINTS = Many(
    "INSERT INTO checkpoint SELECT * FROM {rows}",
    "bytea bigint bytea bigint boolean text bigint bigint bytea bigint amount amount amount bigint bigint text text "
    "bigint text bytea",
)
NEW_ROOTS = Many("INSERT INTO proof_root SELECT * FROM {rows} ON CONFLICT (root) DO NOTHING", "bytea bytea bigint")
NEW_PROFILES = Many("INSERT INTO profile SELECT * FROM {rows}", "bytea text text text text bytea")
NEW_FAILURES = Many("INSERT INTO job_failure SELECT * FROM {rows}", "text text text text")
NEW_SLOTS = Many("INSERT INTO closed_slot SELECT * FROM {rows}", "bigint bytea bigint")
SET_INTEGRATED = Many(
    "INSERT INTO integrated_head (shard_key, period, integrated_size, integrated_root, integrated_peaks, "
    "integrated_total, entry_index, batch_index, batch_size, previous_size, seal) SELECT * FROM {rows} "
    "ON CONFLICT (shard_key, period) DO UPDATE SET integrated_size = excluded.integrated_size, "
    "integrated_root = excluded.integrated_root, integrated_peaks = excluded.integrated_peaks, "
    "integrated_total = excluded.integrated_total, entry_index = excluded.entry_index, "
    "batch_index = excluded.batch_index, batch_size = excluded.batch_size, previous_size = excluded.previous_size, "
    "seal = excluded.seal",
    "bytea text bigint bytea bytea amount bigint bigint bigint bigint bytea",
)
# By keys and look-ups only: joining many rows with a table that is empty by its statistics would compare all with all.
TAKEN_UP = (
    "DELETE FROM changed_head x WHERE x.shard_key = ANY(%s) AND x.size <= (SELECT i.integrated_size "
    "FROM integrated_head i "
    "WHERE i.shard_key = x.shard_key AND i.period = x.period)"
)
ERASE = Many(
    "UPDATE delta d SET context = NULL, salt = NULL FROM {rows} AS n(shard_key, sequence) "
    "WHERE d.shard_key = n.shard_key AND d.sequence = n.sequence",
    "bytea bigint",
)
SET_RETENTION = Many(
    "INSERT INTO retention SELECT * FROM {rows} ON CONFLICT (shard_key) DO UPDATE SET through = excluded.through",
    "bytea bigint",
)
# The next deltas of customers whose next delta is old; reads nothing else.
_NEXT = (
    "SELECT sequence, recorded_at FROM delta WHERE shard_key = n.shard_key "
    "AND sequence > coalesce(r.through, 0) ORDER BY sequence"
)
OLDER = (
    "SELECT n.shard_key, d.sequence FROM unnest(%s::bytea[]) AS n(shard_key) "
    "LEFT JOIN retention r ON r.shard_key = n.shard_key "
    f"CROSS JOIN LATERAL ({_NEXT} LIMIT 1) AS f CROSS JOIN LATERAL ({_NEXT} LIMIT %s) AS d "
    "WHERE f.recorded_at < %s AND d.recorded_at < %s ORDER BY n.shard_key, d.sequence LIMIT %s"
)
# As a stream of rows, which is fastest.
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
COPY_ENTRY = "COPY log_entry FROM STDIN (FORMAT binary)"
ENTRY_TYPES = ["bigint", "bigint", "bytea", "bytea", "bytea"]
