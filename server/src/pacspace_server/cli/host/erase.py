"""`pacspace erase`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ... import config as settings
from ... import exit_status
from ...domain.enumerations import Environment
from ...domain.instants import parse_period
from ...process.engines import open_storage
from ...service.base import audit
from ...service.people.people import command_caller
from ...service.recording.erase import erase_customer
from ...storage.model import ids
from ...storage.model.protocols import Storage
from ...storage.model.records import Customer
from ..asking import ask, need_terminal
from ..options import pick_environment
from ..output import counted
from .progress import progress

if TYPE_CHECKING:
    from ..output import Output


def run_erase(
    out: Output,
    values: Mapping[str, settings.Value],
    workspace: str | None,
    environment: Environment,
    customer_id: str,
    before: str | None,
    yes: bool,
) -> None:
    """Asks, erases, and prints what was erased and what stays."""
    if before is not None:
        parse_period(before)
    storage = open_storage(settings.database(values["database"]), create=False)
    with storage.snapshot() as snapshot:
        side = pick_environment(out, snapshot, workspace, environment)
        customer = snapshot.customer(side.id, ids.shard_key(storage.secret, side.workspace_id, side.name, customer_id))
    if customer is None:
        out.fail(f"no customer {customer_id} in {environment}", exit_status.NO)
    if not yes:
        _ask(out, customer, before)
    more = before is None and _has_more(storage, customer)
    with progress("erasing", customer.last_sequence, "deltas", out.as_json) as advance:
        removed = erase_customer(storage, customer, before, advance)
    noted = {"customerId": customer_id, "before": before, "erased": removed}
    caller = command_caller(side.workspace_id, environment)
    storage.write(lambda unit: audit.record(unit, caller, "customer.erase", customer_id, noted))
    still_holds = storage.scrub()
    storage.close()
    lines = [
        _erased(customer_id, removed, before) if removed or more else _nothing(customer_id, before),
        "Amounts, instants, ids and hashes stay: every proof root and receipt verifies as before. "
        "Backups, and copies you gave to others, still hold the erased data.",
    ]
    if still_holds is not None:
        lines.append(f"{still_holds}.")
    shown = {
        "customerId": customer_id,
        "environment": environment,
        "before": before,
        "erased": removed,
        "scrubbed": still_holds is None,
    }
    out.show(shown, "\n".join(lines))


def _erased(customer_id: str, removed: int, before: str | None) -> str:
    what = f"of months before {before}" if before else "and the display name, texts of remarks and visits"
    return f"erased {counted(removed, 'context')} (reason, referenceId, metadata) {what} of {customer_id}"


def _nothing(customer_id: str, before: str | None) -> str:
    when = f" in months before {before}" if before else ""
    return f"nothing left to erase of {customer_id}{when}"


def _has_more(storage: Storage, customer: Customer) -> bool:
    """Whether there is a name, a remark or a visit."""
    with storage.snapshot() as snapshot:
        found = snapshot.profile(customer), snapshot.notes(customer, 1, 0), snapshot.visits(customer, 1, 0)
        return any(found)


def _ask(out: Output, customer: Customer, before: str | None) -> None:
    need_terminal(out, "erasing")
    which = f"months before {before}" if before else f"all: {counted(customer.last_sequence, 'delta')}"
    also = "" if before else ", the display name, the texts of remarks and the visits"
    question = f"Erase reason, referenceId and metadata of {customer.customer_id} ({which}){also}? It can't be undone."
    ask(out, question, "nothing was erased")
