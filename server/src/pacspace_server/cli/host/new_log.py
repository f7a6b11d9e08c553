"""`pacspace new-log`, and `pacspace trust`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ... import config as settings
from ... import exit_status
from ...log.signer import Signer
from ...log.standing import give_keys, refusal
from ...process.engines import AlreadyServed, exclusive, open_storage
from ...service.base.restored import trust_file
from ...service.proving.new_log import DamagedLog, Renewed, renew
from ...storage.model.protocols import Storage
from ...storage.model.records import Environment
from ..asking import ask, need_terminal
from ..options import pick_environment
from ..output import counted, in_json
from .progress import progress

if TYPE_CHECKING:
    from ..output import Output

LEASE_WAIT_S = 6.0
NOTHING = "every log can be signed: nothing was changed"
LOST = "{}: its signing folder is lost, so the size that was last signed is unknown"


def run_new_log(
    out: Output, values: Mapping[str, settings.Value], environment: str | None, lost: bool, yes: bool
) -> int:
    """Asks, then gives each environment with a refused log a new one, and prints what happened to its months."""
    database = settings.database(values["database"])
    with exclusive(database):
        storage = open_storage(database, create=False, alone=True)
        try:
            return _renew_all(out, storage, Signer(settings.signer_folder(values)), environment, lost, yes)
        except DamagedLog as damaged:
            out.fail(str(damaged), exit_status.NOT_DONE)
        finally:
            storage.close()


def _renew_all(out: Output, storage: Storage, signer: Signer, environment: str | None, lost: bool, yes: bool) -> int:
    reasons = _refused(storage, signer, environment, lost)
    if not reasons:
        out.show({"renewed": []}, NOTHING)
        return 0
    for _, reason in reasons:
        out.say(reason)
    if not yes:
        need_terminal(out, "a new log")
        names = " and ".join(found.name for found, _ in reasons)
        ask(out, f"Freeze this log and continue in a new one ({names})? It can't be undone.", "nothing was changed")
    renewed = [_renew(out, storage, signer, found, lost) for found, _ in reasons]
    give_keys(storage, signer)
    out.show({"renewed": [in_json(one) for one in renewed]}, "\n".join(map(_words, renewed)))
    return 0


def _refused(storage: Storage, signer: Signer, environment: str | None, lost: bool) -> list[tuple[Environment, str]]:
    """The environments whose logs can't be signed, with the reasons; `lost` includes every log with a signature."""
    with storage.snapshot() as snapshot:
        found = [
            (each, refusal(snapshot, signer, log) or (LOST.format(log.origin) if lost and log.published_size else None))
            for each in snapshot.environments()
            if environment in (None, each.name)
            for log in [snapshot.log(each.log_id)]
        ]
    return [(each, reason) for each, reason in found if reason is not None]


def _renew(out: Output, storage: Storage, signer: Signer, environment: Environment, lost: bool) -> Renewed:
    lease = storage.lease(f"integrator/{environment.id}")
    deadline = time.monotonic() + LEASE_WAIT_S
    while lease.hold() is None:
        # A killed server holds its lease for some seconds more.
        if time.monotonic() > deadline:
            raise AlreadyServed(f"a server process uses the {environment.name} log: stop all server processes first")
        time.sleep(0.2)
    with storage.snapshot() as snapshot:
        total = snapshot.count_months(environment.id)
    with progress("moving", total, "months", out.as_json) as advance:
        renewed = renew(storage, signer, environment, lost, advance)
    lease.release()
    return renewed


def _words(renewed: Renewed) -> str:
    signed = "signed size unknown" if renewed.signed_size is None else f"{renewed.signed_size:,} signed"
    return (
        f"{renewed.environment}: continues in {renewed.origin}, from a backup with "
        f"{counted(renewed.backup_size, 'published entry', 'published entries')} of {renewed.frozen} ({signed}).\n"
        f"  {counted(renewed.months_kept, 'locked month')} kept their proof roots; "
        f"{counted(renewed.months_moved, 'month')} moved to new trees, "
        f"{renewed.locked_anew:,} of them locked under a new proof root.\n"
        f"  Its key, for your customers (`pacspace trust` prints the whole trust file):\n  {renewed.verifier_key}"
    )


def run_trust(out: Output, values: Mapping[str, settings.Value], workspace: str | None, environment: str) -> None:
    """Prints the trust file of an environment's record."""
    storage = open_storage(settings.database(values["database"]), create=False)
    with storage.snapshot() as snapshot:
        side = pick_environment(out, snapshot, workspace, environment)
        text = trust_file(snapshot, snapshot.log(side.log_id))
    storage.close()
    out.show({"trust": text}, text.rstrip("\n"))
