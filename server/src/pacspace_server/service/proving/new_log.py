"""New logs: after the restore of an older backup, a record continues in a new log, because the old can't be signed.

Locked months that the old log published stay in it with their roots and proofs. Every other month gets a new tree in
the new log: the same deltas, byte for byte, after a new opening leaf and, if it was locked, before a new closing leaf.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pacspace_proofs.canonical import canonical, parse_canonical
from pacspace_proofs.note import parse_log_checkpoint
from pacspace_proofs.record import RESTORED
from pacspace_proofs.tree import leaf_hash

from ...domain.tree import Frontier
from ...log import logtree
from ...log.signer import LastSigned, Signer
from ...storage.model.protocols import Renewal, Snapshot, Storage
from ...storage.model.records import Customer, Environment, Log, LogEntry, Part, PeriodHead, ReplacedTree
from ..base.lookup import log_of

PAGE = 500
Advance = Callable[[int], None]


class DamagedLog(Exception):
    """The old log differs from its signature, so no new log may continue it."""


@dataclass
class Renewed:
    """The result for one environment's record."""

    environment: str
    frozen: str
    backup_size: int
    signed_size: int | None
    origin: str
    verifier_key: str
    months_kept: int = 0
    months_moved: int = 0
    locked_anew: int = 0


def renew(
    storage: Storage,
    signer: Signer,
    environment: Environment,
    lost: bool = False,
    advance: Advance = lambda months: None,
) -> Renewed:
    """Continues an environment's record in a new log. Calls `advance` with the number of finished months.

    `lost`: the signing folder is not the one that signed last, so its last-signed record does not count.

    The server must be stopped. Raises DamagedLog without changing anything.
    """
    origin = f"pacspace.log/{environment.name}/{secrets.token_hex(16)}"
    signer.create_key(origin)
    # A crash here leaves an unused key.
    renewed = storage.renew(environment, lambda unit: _renew(unit, environment, origin, signer, lost, advance))
    # A crash here leaves the old log unfrozen; the next start of a server freezes it.
    signer.freeze(environment.origin)
    return renewed


def _renew(
    unit: Renewal, environment: Environment, origin: str, signer: Signer, lost: bool, advance: Advance
) -> Renewed:
    before = unit.log(environment.log_id)
    signed = None if lost else signer.last_signed(environment.origin)
    key = str(signer.verifier_key(origin))
    log, entry = _new_log(unit, before, signed, origin, key)
    done = Renewed(environment.name, before.origin, before.published_size, signed.size if signed else None, origin, key)
    months = _Months(unit, log, done, advance)
    after = ""
    while page := unit.customers(environment.id, None, after, PAGE, 0):
        for customer in page:
            months.move(customer)
        after = page[-1].customer_id
    unit.add_log(environment, log, LogEntry(0, entry, leaf_hash(entry)))
    return done


def _new_log(unit: Snapshot, before: Log, signed: LastSigned | None, origin: str, key: str) -> tuple[Log, bytes]:
    """The new log and its first entry, which names the log that it continues."""
    root = logtree.root_at(unit, before.id, before.published_size)
    if before.note is not None and parse_log_checkpoint(before.note).root != root:
        raise DamagedLog(f"{before.origin}: its entries do not match its signature; run `pacspace fsck`")
    size = str(before.published_size)
    entry = {"schema": RESTORED, "origin": before.origin, "backupSize": size, "backupRoot": root.hex()}
    if signed is not None:
        entry |= {"signedSize": str(signed.size), "signedRoot": signed.root.hex()}
    stated = canonical({"origin": before.origin, "size": size, "root": root.hex()}).decode()
    log = Log(
        0, before.environment_id, before.environment, origin, secrets.token_bytes(32), 1, 0, None, None, key, stated
    )
    return log, canonical(entry)


class _Months:
    """Moves months into the new log, customer by customer."""

    def __init__(self, unit: Renewal, log: Log, done: Renewed, advance: Advance) -> None:
        self._unit, self._log, self._done, self._advance = unit, log, done, advance
        self._restored_from: Any = parse_canonical((log.restored_from or "").encode())

    def move(self, customer: Customer) -> None:
        """Moves a customer's months in order, because each names the root of the previous locked one."""
        root, anew = None, False
        self._unit.hold(customer)
        heads = self._unit.heads(customer, "", "~")
        for head in heads:
            if not anew and _is_provable(self._unit, head):
                self._done.months_kept += 1
            else:
                self._tree(customer, head, root)
                anew = anew or head.closed
            root = head.root or root
        if anew:
            customer.locked_root = root
            self._unit.set_locked_root(customer)
        self._advance(len(heads))

    def _tree(self, customer: Customer, head: PeriodHead, previous_root: bytes | None) -> None:
        """Gives a month a new tree: the same deltas between new first and last leaves."""
        before = ReplacedTree(customer.id, head.period, head.origin, head.opening, head.closing, head.root)
        leaves = self._unit.leaf_hashes(head, 1, head.delta_count + 1)
        opening: Any = parse_canonical(head.opening)
        opening |= {"origin": self._log.origin, "nonce": secrets.token_hex(16), "restoredFrom": self._restored_from}
        head.opening, head.frontier = canonical(opening), Frontier()
        head.frontier.append(leaf_hash(head.opening))
        for hashed in leaves:
            head.frontier.append(hashed)
        if head.closing is not None:
            closing: Any = parse_canonical(head.closing)
            if previous_root is not None:
                closing["previousRoot"] = previous_root.hex()
            head.closing = canonical(closing)
            head.frontier.append(leaf_hash(head.closing))
            head.root = head.frontier.root
        self._unit.replace_tree(head, before)
        self._done.months_moved += 1
        if head.root is not None:
            self._lock(customer, head, head.root)

    def _lock(self, customer: Customer, head: PeriodHead, root: bytes) -> None:
        lock = self._unit.lock_at_or_after(customer, head.period)
        self._unit.replace_lock(replace(lock, proof_root=root, parts=[Part(head.period, head.size, root)]))
        self._done.locked_anew += 1


def _is_provable(unit: Renewal, head: PeriodHead) -> bool:
    """Whether a month is locked and its log has published all of it."""
    if not head.closed or head.entry_index is None or head.integrated_size != head.size:
        return False
    return head.entry_index < log_of(unit, head).published_size
