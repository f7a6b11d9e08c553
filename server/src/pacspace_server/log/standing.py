"""Whether a log continues what was signed before, with the same key."""

from __future__ import annotations

from functools import partial

from ..storage.model.protocols import Snapshot, Storage, Unit
from ..storage.model.records import Log
from . import logtree
from .signer import FOLDER_ADVICE, KEY_ADVICE, Signer, SigningRefused


def refusal(snapshot: Snapshot, signer: Signer, log: Log) -> str | None:
    """Why nothing is signed for this log, and what to do; None if it may be signed."""
    try:
        last = signer.check(log.origin, log.size, lambda size: logtree.root_at(snapshot, log.id, size))
    except SigningRefused as refused:
        return str(refused)
    if log.published_size > (signed := last.size if last else 0):
        # The last-signed record moves before each publication, so this folder is an older copy.
        return (
            f"{signer.folder} is an old copy: {log.origin} was published up to entry {log.published_size}, but "
            f"signed there up to {signed}. {FOLDER_ADVICE}"
        )
    if log.verifier_key is not None and not signer.has_key(log.origin):
        return f"the signing key of {log.origin} is missing in {signer.folder}: {KEY_ADVICE}"
    if log.verifier_key is not None and log.verifier_key != str(signer.verifier_key(log.origin)):
        return f"the signing key of {log.origin} in {signer.folder} did not sign this log: {KEY_ADVICE}"
    return None


def give_keys(storage: Storage, signer: Signer) -> None:
    """Creates a key for each log in use that has signed nothing yet, and stores each key's public half in the database.

    Freezes earlier logs, in case `new-log` was interrupted before it did so.
    """
    with storage.snapshot() as snapshot:
        environments = snapshot.environments()
        logs = [snapshot.log(environment.log_id) for environment in environments]
        earlier = [
            log for environment in environments for log in snapshot.logs(environment.id) if log.id != environment.log_id
        ]
    for log in earlier:
        if not signer.is_frozen(log.origin):
            signer.freeze(log.origin)
    for log in logs:
        if log.verifier_key is not None:
            continue  # a published key never changes
        if log.size == 0 and signer.last_signed(log.origin) is None:
            signer.create_key(log.origin)
        if signer.has_key(log.origin):
            storage.write(partial(_set_key, log=log, key=str(signer.verifier_key(log.origin))))


def _set_key(unit: Unit, log: Log, key: str) -> None:
    unit.set_verifier_key(log, key)
