"""Public pages: front page, API manual, receipts, proofs, and how to verify a file."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pacspace_proofs.command import printable

from ..http.limits import AddressLimit
from ..http.messages import Call, Handler, Reply
from ..http.refusals import answered, retry_after, status_of
from ..service.base.errors import ServiceError
from ..service.base.restored import lost_words
from ..service.proving.verify import Verifier
from ..service.receipts.access import Reader
from ..service.receipts.documents import Presentation, presentation, read_document
from ..service.receipts.printed import printed
from ..service.receipts.receipt import is_integrated
from ..service.running import Running
from ..storage.model import ids
from ..storage.model.protocols import Snapshot
from ..views.printed import PrintedDocument
from . import proof
from .manual import read_manual
from .portal import SharedPages
from .rendering import Renderer

SHOWN_CHARS = 80
DOCUMENTS_AT_ONCE = 2
ONE_WORKSPACE = 2  # environments

# Status -> template. Everything else is error.html.
ERRORS = {400: "wrong.html", 404: "not_found.html", 429: "busy.html", 503: "busy.html"}


ROUTES = [
    ("/", "_landing"),
    ("/docs", "_docs"),
    ("/verify", "_how"),
    ("/verify/{proof_root:path}", "_verify"),
    ("/receipt/{receipt_id:path}", "_receipt"),
    ("/static/{name:path}", "_static"),
]


class Pages:
    """The pages, with the verifier, the limit per address and the OpenAPI document that they share with the API."""

    def __init__(
        self,
        running: Running,
        verifier: Verifier | None = None,
        limit: AddressLimit | None = None,
        document: Callable[[], dict[str, Any]] | None = None,
    ) -> None:
        self.context = running.context
        self._running = running
        self.verifier = verifier or Verifier(self.context)
        self._limit = limit
        self._render = Renderer(self.context.public_url)
        self._document = document
        self._docs_page: Reply | None = None
        self._places = asyncio.Semaphore(DOCUMENTS_AT_ONCE)

    def routes(self) -> dict[tuple[str, str], Handler]:
        """The handlers, by method and path."""
        shared = SharedPages(self._running, self._limit, self._render).routes()
        own = {("GET", path): self._page(getattr(self, name)) for path, name in ROUTES}
        return own | {place: self._page(handler) for place, handler in shared.items()}

    def _page(self, handler: Handler) -> Handler:
        """The handler, with refusals as pages."""

        async def page(call: Call) -> Reply:
            return await answered(call, handler, lambda error: self._refusal(error, call))

        return page

    def _refusal(self, error: ServiceError, call: Call) -> Reply:
        status = status_of(error)
        values = {
            "code": error.code,
            "message": error.message[:1].upper() + error.message[1:],
            "request_id": call.request_id,
            "details": error.extra.get("details", []),
            "is_form": call.scope["method"] == "POST",
        }
        page = self._render.page(ERRORS.get(status, "error.html"), status, **values)
        page.headers |= retry_after(error)
        return page

    async def _landing(self, call: Call) -> Reply:
        return self._render.page("landing.html")

    async def _docs(self, call: Call) -> Reply:
        if self._docs_page is None:
            self._docs_page = await asyncio.to_thread(self._make_docs)
        return replace(self._docs_page, headers=dict(self._docs_page.headers))

    def _make_docs(self) -> Reply:
        """The API manual, built once: it doesn't change while the server runs."""
        if self._document is None:
            raise ServiceError("NOT_FOUND", "this server has no API manual")
        return self._render.page("docs.html", manual=read_manual(self._document()))

    async def _how(self, call: Call) -> Reply:
        logs = await self.context.look(self._logs)
        logs.sort(key=lambda log: log.environment != "production")
        return self._render.page("how.html", logs=logs)

    def _logs(self, snapshot: Snapshot) -> list[proof.LogFacts]:
        environments = snapshot.environments()
        # If several vendors share the server, don't list their logs.
        shown = environments if len(environments) <= ONE_WORKSPACE else []
        return [proof.log_facts(self.context, snapshot, environment.id) for environment in shown]

    async def _verify(self, call: Call) -> Reply:
        text = call.path("proof_root").rstrip("/")
        return await self._proof(call, text) if text else await self._how(call)

    async def _receipt(self, call: Call) -> Reply:
        receipt_id = call.path("receipt_id").rstrip("/")
        if ids.CHECKPOINT_ID.fullmatch(receipt_id) is None:
            return await self._unknown(receipt_id)
        wanted, reader = presentation(call.query()), Reader()
        if self._limit is not None:
            self._limit.take(call.address)
        try:
            shown = await self._receipt_document(receipt_id, wanted, reader)
        except ServiceError as error:
            if error.code == "RECEIPT_NOT_FOUND":
                return await self._unknown(receipt_id)
            if error.code == "RECORD_DAMAGED":  # the proof page names the failed check
                return await self._proof(call, receipt_id)
            raise
        return self._render.page("receipt.html", document=shown)

    async def _receipt_document(self, receipt_id: str, wanted: Presentation, reader: Reader) -> PrintedDocument:
        checkpoint = await self.context.look(lambda snapshot: snapshot.checkpoint(receipt_id))
        if checkpoint is not None:
            await self.context.wait_for_log(lambda: is_integrated(self.context, checkpoint))
        async with self._places:  # reads every delta: strangers must not occupy all threads
            return await asyncio.to_thread(self._read, receipt_id, wanted, reader)

    def _read(self, receipt_id: str, wanted: Presentation, reader: Reader) -> PrintedDocument:
        return printed(read_document(self.context, receipt_id, wanted, reader), wanted)

    async def _proof(self, call: Call, text: str) -> Reply:
        if self._limit is not None:
            self._limit.take(call.address)
        try:
            view = await proof.look_up(self.context, self.verifier, text)
        except ServiceError as error:
            if error.code != "PROOF_NOT_FOUND":
                raise
            return await self._unknown(text)
        return self._render.page("delta.html" if isinstance(view, proof.DeltaView) else "proof.html", view=view)

    async def _unknown(self, text: str) -> Reply:
        shown = printable(text[:SHOWN_CHARS]) + ("\u2026" if len(text) > SHOWN_CHARS else "")
        return self._render.page("unknown.html", 404, asked=shown, lost=await self.context.look(lost_words))

    async def _static(self, call: Call) -> Reply:
        found = self._render.asset(call.path("name"))
        if found is None:
            raise ServiceError("NOT_FOUND", "no such file")
        return found
