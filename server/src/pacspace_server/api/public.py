"""Public routes, without a key: verification, receipts, the log, health."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

from ..http.limits import AddressLimit
from ..http.messages import Call, Reply, iterate_in_thread, success
from ..http.refusals import status_of
from ..log import logtree
from ..service.base.errors import ServiceError
from ..service.base.lookup import verifier_key
from ..service.base.restored import trust_file
from ..service.proving import verify as verify_service
from ..service.receipts import bundle as bundle_service
from ..service.receipts.access import Reader, require_lines
from ..service.receipts.lines import receipt_csv
from ..service.receipts.pdf import PdfMaker
from ..service.recording.readiness import Readiness, problems, ready_view
from ..service.running import Running
from ..storage.model.protocols import Vanished
from ..storage.model.records import Log
from . import fields
from .fields import Table
from .metrics import MEDIA_TYPE, Metrics
from .receipts import document_data, presentation

VERIFY: Table = {
    "source": fields.choice(
        *verify_service.SOURCES, says="db (the default): from the stored rows. chain: from the log. both: from both."
    )
}
BUNDLE: Table = {
    "kind": fields.choice(
        "full", "summary", says="summary: totals without deltas; the only kind for a proof root. Default: full."
    )
}
READY: Table = {"for": fields.choice("record", "verify", says="The purpose to be ready for. Default: record.")}
TILE = re.compile(r"(?:(entries|[0-9]|[1-5][0-9]|6[0-3]))/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")
NOT_READY_RETRY_S = 5
IMMUTABLE = {"Cache-Control": "public, max-age=31536000, immutable"}


class Public:
    """The public routes and their state."""

    def __init__(self, running: Running, document: Callable[[], dict[str, Any]], number: int = 1) -> None:
        """`document` builds the OpenAPI document; `number` is this process's number in the server."""
        context = running.context
        self.running, self.context, self.document = running, context, document
        self.metrics = Metrics(running, number)
        self.verifier = verify_service.Verifier(context)
        self.limit = AddressLimit()
        self.places = asyncio.Semaphore(verify_service.PARALLEL)
        self.pdfs = PdfMaker(context)
        self.readiness = Readiness(context)

    async def verify(self, call: Call, given: dict[str, Any]) -> Reply:
        """Verify a proof root, checkpointId or delta's receiptId: recompute it from stored rows, the log or both."""
        source = given.get("source", "db")
        self.limit.take(call.address)
        try:
            return success(await verify_service.verify(self.context, self.verifier, call.path("proofRoot"), source))
        except Vanished as error:
            raise ServiceError("PROOF_NOT_FOUND", str(error), verified=False) from error

    async def receipt(self, call: Call, given: dict[str, Any]) -> Reply:
        """Get a receipt document by its receiptId (chk_), with formatted numbers and dates. Needs no key."""
        self.limit.take(call.address)
        work = (self.context, call.path("receiptId"), presentation(given), Reader())
        async with self.places:  # reads every delta: strangers must not occupy all threads
            return success(await asyncio.to_thread(document_data, *work))

    async def pdf(self, call: Call, given: dict[str, Any]) -> Reply:
        """Get a receipt as PDF, with up to 3,000 deltas."""
        self.limit.take(call.address)
        name, body = await self.pdfs.receipt(call.path("receiptId"), presentation(given), Reader())
        headers = {"Content-Disposition": f'inline; filename="{name}"', "Cache-Control": "no-store"}
        return Reply(200, body=body, media_type="application/pdf", headers=headers)

    async def csv(self, call: Call, given: dict[str, Any]) -> Reply:
        """Get a receipt's deltas as CSV, one per line, in canonical spelling."""
        self.limit.take(call.address)
        name, chunks = await self.context.read(receipt_csv, self.context, call.path("receiptId"), Reader())
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
        return Reply(200, stream=iterate_in_thread(chunks), media_type="text/csv; charset=utf-8", headers=headers)

    async def openapi(self, call: Call, given: dict[str, Any]) -> Reply:
        """Get the OpenAPI 3.1 document of this API."""
        return Reply(200, await asyncio.to_thread(self.document))

    async def bundle(self, call: Call, given: dict[str, Any]) -> Reply:
        """Get the verifiable receipt file. A proof root instead of a receiptId gets a summary receipt only."""
        kind = given.get("kind", "full")
        receipt_id = call.path("receiptId")
        if kind == "full":
            await self.context.look(lambda snapshot: require_lines(self.context, snapshot, receipt_id, Reader()))
        chunks = None
        waited = bool(self.context.integrator.refusals)  # then waiting can't help
        asked = self.context.storage, receipt_id, kind, self.context.integrator.refusals
        while chunks is None:
            try:
                chunks = await self.context.read(bundle_service.bundle, *asked)
            except ServiceError as error:
                if status_of(error) != 503 or waited:
                    raise
                waited = True
                await self.context.wait_for_log(lambda: self._has_bundle(receipt_id, kind))
        name = f"pacspace-{receipt_id}.json"
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
        return Reply(200, stream=iterate_in_thread(chunks), headers=headers)

    def _has_bundle(self, receipt_id: str, kind: str) -> bool:
        try:
            bundle_service.bundle(self.context.storage, receipt_id, kind)
        except ServiceError:
            return False
        return True

    async def log_checkpoint(self, call: Call, given: dict[str, Any]) -> Reply:
        """Get the newest log checkpoint (C2SP tlog-checkpoint)."""
        log = await self._log(call)
        if log.note is None:
            raise ServiceError("SERVICE_UNAVAILABLE", "nothing has been signed yet", retryAfterSeconds=1)
        return _text(log.note, {"Cache-Control": "no-cache"})

    async def log_key(self, call: Call, given: dict[str, Any]) -> Reply:
        """Get the log's verifier key, one line."""
        return _text(f"{verifier_key(self.context.signer, await self._log(call))}\n")

    async def log_trust(self, call: Call, given: dict[str, Any]) -> Reply:
        """Get the trust file of the log's record: its key, and those of earlier logs if the record was restored."""
        log = await self._log(call)
        return _text(await self.context.look(lambda snapshot: trust_file(snapshot, log)))

    async def log_tile(self, call: Call, given: dict[str, Any]) -> Reply:
        """Get a tile of the log, or of its entries (C2SP tlog-tiles)."""
        log = await self._log(call)
        match = TILE.fullmatch(call.path("tile"))
        if match is None:
            raise ServiceError("NOT_FOUND", "not a tile path (C2SP tlog-tiles)")
        digits = match[2].replace("x", "").replace("/", "")
        width = int(match[3]) if match[3] else logtree.TILE
        if _tile_path(int(digits)) != match[2] or (match[3] and width >= logtree.TILE) or len(digits) > 15:
            raise ServiceError("NOT_FOUND", "not a tile path (C2SP tlog-tiles)")
        place = log, int(digits), width
        if match[1] == "entries":
            body = await self.context.look(lambda snapshot: logtree.entries_tile(snapshot, *place))
        else:
            level = int(match[1])
            body = await self.context.look(lambda snapshot: logtree.tile(snapshot, log, level, *place[1:]))
        if body is None:
            raise ServiceError("NOT_FOUND", "the log has not published this tile yet")
        return Reply(200, body=body, media_type="application/octet-stream", headers=IMMUTABLE)

    async def _log(self, call: Call) -> Log:
        origins = [f"pacspace.log/{environment}/{call.path('name')}" for environment in ("sandbox", "production")]
        found = await self.context.look(lambda snapshot: [snapshot.log_by_origin(origin) for origin in origins])
        log = next(filter(None, found), None)
        if log is None:
            raise ServiceError("NOT_FOUND", "no such log")
        return log

    async def health(self, call: Call, given: dict[str, Any]) -> Reply:
        """Check that the process answers."""
        return success({"status": "ok"})

    async def ready(self, call: Call, given: dict[str, Any]) -> Reply:
        """Check that the server can record; with ?for=verify also that the log is signed and up to date."""
        checks = await self.readiness.checks(given.get("for") == "verify")
        if wrong := problems(checks):
            raise ServiceError("SERVICE_UNAVAILABLE", wrong, retryAfterSeconds=NOT_READY_RETRY_S, checks=checks)
        return success(ready_view(self.readiness, checks))

    async def measures(self, call: Call, given: dict[str, Any]) -> Reply:
        """Get the metrics of all server processes, in Prometheus' text format."""
        others = await self.metrics.others()
        return Reply(200, body=await asyncio.to_thread(self.metrics.text, others), media_type=MEDIA_TYPE)


def _text(text: str, headers: dict[str, str] | None = None) -> Reply:
    return Reply(200, body=text.encode(), media_type="text/plain; charset=utf-8", headers=headers or {})


def _tile_path(index: int) -> str:
    """An index in tlog-tiles form: groups of three digits, each but the last after an x."""
    groups = [f"{index % 1000:03d}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03d}")
    return "/".join(reversed(groups))
