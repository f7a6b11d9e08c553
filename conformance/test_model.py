"""A real server beside a model of about 100 lines: whatever is asked, in whatever order, every field of the reply is the model's."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule, run_state_machine_as_test
from testkit import expected
from testkit.chance import SEED
from testkit.drawn import (
    HOUR,
    SPOILT,
    START,
    amounts,
    items,
    keys,
    options,
    pages,
    picks,
    references,
    scopes,
    steps,
)
from testkit.extent import times
from testkit.model import readable
from testkit.modelled import Checkpoint, Delta, Refused, begin, end_of, shifted, total
from testkit.server import BALANCE, Server
from testkit.sides import Answer, BothSides, one

# A fixed few in every run of the tests; CONFORMANCE_EXAMPLES=1000 draws so many from CONFORMANCE_SEED.
EXAMPLES = int(os.environ.get("CONFORMANCE_EXAMPLES", "0"))
FEW, STEPS = times(12, 25), 50


class Machine(BothSides):
    """What is done, and asked."""

    # ------------------------------------------------------------ writing

    @initialize(first=st.lists(items(), min_size=1, max_size=4))
    def begin(self, first: list[dict[str, Any]]) -> None:
        for item in first:
            self.record(item, None)

    def emit(self, item: dict[str, Any], key: str | None) -> None:
        reply = self.client.post(f"{BALANCE}/delta", item, {"Idempotency-Key": key} if key else None)

        def ask() -> Any:
            delta, how = self.model.emit(item, key)
            return Answer(expected.emitted(delta, how), 200 if how == "reference" else 201, how == "key")

        self.agree(reply, 201, ask)

    @rule(item=items(), key=keys)
    def record(self, item: dict[str, Any], key: str | None) -> None:
        item = self.filled(item)
        self.sent.append(([item], key))
        self.emit(item, key)

    @rule(item=items())
    def record_more(self, item: dict[str, Any]) -> None:
        self.record(item, None)

    @precondition(lambda self: self.sent)
    @rule(
        pick=picks,
        changes=items(),
        names=st.sets(st.sampled_from(["delta", "reason", "metadata", "occurredAt", "adjusts"]), max_size=2),
        key=keys,
    )
    def repeat(self, pick: int, changes: dict[str, Any], names: set[str], key: str | None) -> None:
        """Again, in full or changed, under the same key or another."""
        sent, old_key = one(self.sent, pick)
        if len(sent) > 1 and pick % 2:
            return self.batch(sent, key or old_key, {})
        item = dict(one(sent, pick))
        changed = self.filled(changes | {"customerId": item["customerId"]})
        for name in names:
            item.pop(name, None)
            item |= {name: changed[name]} if name in changed else {}
        self.emit(item, key or old_key)

    def batch(self, sent: list[dict[str, Any]], key: str | None, spoilt: dict[int, dict[str, Any]]) -> None:
        body = [item | spoilt.get(index, {}) for index, item in enumerate(sent)]
        reply = self.client.batch(body, key)
        assert reply.status == 201, reply.body
        found = reply.data
        failed, replayed = 0, True
        assert len(found["results"]) == len(body)
        for index, (item, result) in enumerate(zip(sent, found["results"])):
            try:
                if index in spoilt:
                    raise Refused(400, "VALIDATION_ERROR", next(iter(spoilt[index])))
                delta, how = self.model.emit(item, (key, index) if key else None)
                self.same(result, expected.queued(index, delta, how))
                replayed = replayed and how == "key"
            except Refused as refused:
                failed, replayed = failed + 1, False
                assert (result["index"], result["status"]) == (index, "REJECTED")
                refused.code = refused.code or "VALIDATION_ERROR"
                self.refusal(refused, refused.status, result)
        assert (found["totalQueued"], found["totalFailed"]) == (len(sent) - failed, failed)
        assert ("idempotent-replayed" in reply.headers) is replayed

    @rule(
        drawn=st.lists(items(), min_size=1, max_size=6), key=keys,
        spoilt=st.dictionaries(st.integers(0, 5), st.sampled_from(SPOILT), max_size=2),
    )  # fmt: skip
    def record_batch(self, drawn: list[dict[str, Any]], key: str | None, spoilt: dict[int, dict[str, Any]]) -> None:
        sent = [self.filled(item) for item in drawn]
        self.sent.append((sent, key))
        self.batch(sent, key, {index: spoil for index, spoil in spoilt.items() if index < len(sent)})

    @rule(item=items(), spoil=st.sampled_from(SPOILT))
    def spoil(self, item: dict[str, Any], spoil: dict[str, Any]) -> None:
        reply = self.client.post(f"{BALANCE}/delta", self.filled(item) | spoil)
        self.refusal(Refused(400, field=next(iter(spoil))), reply.status, reply.error)

    @rule(seconds=steps)
    def advance(self, seconds: int) -> None:
        to = shifted(self.model.now, timedelta(seconds=seconds))
        self.agree(self.client.clock(advanceSeconds=seconds), 200, lambda: self.model.move(to) or self.clock())

    @rule(seconds=st.sampled_from([-1, 0, 5 * HOUR + 3599, 6 * HOUR]), ahead=st.booleans())
    def turn_of_the_month(self, seconds: int, ahead: bool) -> None:
        """Around the first instant of the next month, or back to the first of this one, which is refused."""
        edge = end_of(self.model.now[:7]) if ahead else begin(self.model.now[:7])
        self.hold(shifted(edge, timedelta(seconds=seconds)))

    # ------------------------------------------------------------ locking

    def locked(self, customer: str, period: str, invoice: str | None) -> Any:
        running = period >= self.model.now[:7]
        lock, also, old = self.model.lock(customer, period, invoice)
        return expected.locked(period, invoice, running, lock, also, old)

    @rule(who=picks, pick=picks, invoice=st.none() | references, key=keys)
    def lock(self, who: int, pick: int, invoice: str | None, key: str | None) -> None:
        customer = self.who(who)
        body = {"period": one(self.months(customer), pick)} | ({"invoiceReference": invoice} if invoice else {})
        self.checkpoint(customer, body, key, lambda: self.locked(customer, body["period"], invoice))

    def checkpoint(
        self, customer: str, body: dict[str, Any], key: str | None, ask: Callable[[], Any], window: Any = None
    ) -> None:
        def keyed() -> Any:
            readable(window)
            self.model.known(customer)
            name = (customer, ("checkpoint", key))
            if key and (before := self.model.replay(name, body)):
                return Answer(expected.replayed(before), 201, True)
            wanted = ask()
            if key and wanted["checkpointId"] is not None:
                self.model.keys[name] = body, wanted
            return wanted

        self.agree(self.client.checkpoint(customer, key=key, **body), 201, keyed)

    @rule(who=picks, asked=scopes, key=keys)
    def hand_out(self, who: int, asked: tuple[int, int, int], key: str | None) -> None:
        customer = self.who(who)
        fields, scope = self.scoped(customer, asked)
        if "period" in fields or "startingCheckpoint" in fields:
            fields, scope = {}, {}
        self.checkpoint(customer, fields, key, lambda: self.interim(customer, scope), scope.get("window"))

    def interim(self, customer: str, scope: dict[str, Any]) -> Any:
        found = self.model.scope(customer, **scope)
        return expected.interim(customer, found, self.model.hand_out(customer, found))

    def active(self, period: str) -> list[str]:
        return sorted(c for c, deltas in self.model.deltas.items() if any(d.period == period for d in deltas))

    def of_everybody(self, period: str, make: Callable[[list[str]], Any]) -> Any:
        if not self.active(period) and period > self.model.now[:7]:
            raise Refused(400, field="period")
        return make(self.active(period))

    @rule(who=picks, pick=picks)
    def lock_everybody(self, who: int, pick: int) -> None:
        customer = self.who(who)
        period = one(self.months(customer), pick)

        def job(found: Any) -> Any:
            return expected.job(period, [self.locked(c, period, None) for c in found])

        self.agree(self.client.checkpoint(period=period), 201, lambda: self.of_everybody(period, job))

    @rule(who=picks, pick=picks, alone=st.booleans())
    def preview(self, who: int, pick: int, alone: bool) -> None:
        customer = self.who(who)
        period = one(self.months(customer), pick)

        def of_one() -> Any:
            self.model.scope(customer, period)
            return make([customer])

        def make(found: list[str]) -> Any:
            return expected.preview(self.model, period, [c for c in found if period > self.model.locked_through(c)])

        reply = self.client.checkpoint(customer if alone else None, period=period, preview=True)
        self.agree(reply, 201, of_one if alone else lambda: self.of_everybody(period, make))

    # ------------------------------------------------------------ reading

    @rule(who=picks, asked=scopes, options=options)
    def derive(self, who: int, asked: tuple[int, int, int], options: dict[str, Any]) -> None:
        customer = self.who(who)
        fields, scope = self.scoped(customer, asked)
        starting = options.get("startingBalance", Decimal(0))

        def ask() -> Any:
            found = self.model.scope(customer, **scope)
            if "granularity" in options and found.start is None:
                raise Refused(400, "INVALID_SCOPE_COMBINATION")
            return expected.derive(self.model, customer, found, starting, options)

        self.agree(self.client.derive(customer, **fields, **options), 200, ask)

    @rule(
        who=picks, asked=scopes, off=st.tuples(*[st.just(Decimal(0)) | amounts] * 2),
        tolerance=st.sampled_from([None, Decimal(0), Decimal("0.5"), Decimal(5)]), starting=st.none() | amounts,
        theirs=st.none() | st.lists(st.tuples(references, amounts), unique_by=lambda record: record[0]),
        equal=st.booleans(),
    )  # fmt: skip
    def compare(
        self, who: int, asked: tuple[int, int, int], off: tuple[Decimal, Decimal], tolerance: Decimal | None,
        starting: Decimal | None, theirs: list[tuple[str, Decimal]] | None, equal: bool,
    ) -> None:  # fmt: skip
        """Both views as far from the record as is drawn."""
        customer = self.who(who)
        fields, scope = self.scoped(customer, asked)
        near = (starting or 0) + (
            total(self.model.scope(customer, **scope).deltas) if self.answers(customer, scope) else 0
        )
        body = {"yourBalance": near + off[0], "theirBalance": near + off[1], **fields}
        body |= {"tolerance": tolerance} if tolerance is not None else {}
        body |= {"startingBalance": starting} if starting is not None else {}
        if theirs is not None:
            ours = {d.reference: d.amount for d in self.model.deltas.get(customer, [])}
            body["theirRecords"] = [{"referenceId": r, "delta": ours.get(r, a) if equal else a} for r, a in theirs]
        reply = self.client.post(f"{BALANCE}/compare", {"customerId": customer, **body})
        self.agree(
            reply, 201, lambda: expected.compare(self.model, customer, self.model.scope(customer, **scope), body)
        )

    def answers(self, customer: str, scope: dict[str, Any]) -> bool:
        try:
            self.model.scope(customer, **scope)
        except Refused:
            return False
        return True

    @rule(who=picks, asked=scopes)
    def receipt(self, who: int, asked: tuple[int, int, int]) -> None:
        customer = self.who(who)
        fields, scope = self.scoped(customer, asked)
        if "startingCheckpoint" in fields:
            fields, scope = {}, {}

        def ask() -> Any:
            found = self.model.scope(customer, **scope)
            return expected.receipt(self.model, customer, found, self.model.hand_out(customer, found))

        self.agree(self.client.receipt(customer, **fields), 200, ask)

    @rule(who=picks, pick=picks, page=pages, first=st.none() | st.integers(1, 9), more=st.none() | st.integers(0, 9))
    def look(self, who: int, pick: int, page: dict[str, int], first: int | None, more: int | None) -> None:
        """Everything that is asked of one customer, and of all."""
        customer = self.who(who)
        self.timeline(customer, page)
        self.gaps(customer, first, more)
        self.customer(customer, pick, first or 1, page.get("limit", 20))
        self.checkpoints(customer, pick, page)
        self.agree(self.client.get(f"{BALANCE}/usage"), 200, lambda: expected.usage(self.model))
        self.agree(self.client.get("/api/v1/sandbox/clock"), 200, self.clock)
        if customer in self.model.deltas:
            self.one_delta(one(self.model.deltas[customer], pick), by_receipt=bool(pick % 3))

    def one_delta(self, delta: Delta, by_receipt: bool) -> None:
        more = {"verifiedAt": expected.ANY, "verificationReference": expected.ANY}
        name = delta.receipt_id if by_receipt else delta.record_id
        self.agree(self.client.record(str(name)), 200, lambda: expected.delta(delta) | more)

    def timeline(self, customer: str, page: dict[str, int]) -> None:
        reply = self.client.get(f"{BALANCE}/customers/{customer}/timeline", **page)
        limit, offset = page.get("limit", 100), page.get("offset", 0)
        self.agree(
            reply,
            200,
            lambda: self.model.known(customer) and expected.timeline(self.model, customer, limit, offset),
        )

    def gaps(self, customer: str, first: int | None, more: int | None) -> None:
        until = None if more is None else (first or 1) + more

        def ask() -> Any:
            last = len(self.model.known(customer))
            seen = {"fromSequence": first or 1, "toSequence": min(until or last, last)}
            return {"customerId": customer, **seen, "gaps": [], "missingCount": 0, "lastSequence": last}

        self.agree(self.client.get(f"{BALANCE}/gaps/{customer}", fromSequence=first, toSequence=until), 200, ask)

    def customer(self, customer: str, pick: int, page: int, limit: int) -> None:
        period = one([None, *self.months(customer)], pick)
        reply = self.client.get(f"{BALANCE}/customers/{customer}", period=period, deltaPage=page, deltaLimit=limit)
        self.agree(reply, 200, lambda: expected.customer(self.model, customer, period, page, limit))

    @rule(
        pick=picks,
        limit=st.integers(1, 5),
        search=st.sampled_from([None, "A", "a-b", ".", "zz"]),
        cursors=st.booleans(),
    )
    def customers(self, pick: int, limit: int, search: str | None, cursors: bool) -> None:
        """All pages, by number or by cursor."""
        period = one([None, *self.months(self.who(0))], pick)
        found = sorted(c for c in self.model.deltas if search is None or search.lower() in c.lower())
        pages, cursor = -(-len(found) // limit), None
        for page in range(1, max(pages, 1) + 1):
            turn: dict[str, Any] = {"cursor": cursor} if cursors else {"page": page}
            reply = self.client.get(f"{BALANCE}/customers", limit=limit, search=search, period=period, **turn)
            shown = [expected.customer_row(self.model, c, period) for c in found[(page - 1) * limit : page * limit]]
            pagination = {
                "page": None if cursors and cursor else page, "limit": limit, "total": len(found), "totalPages": pages,
                "nextCursor": expected.SOME if page < pages else None,
            }  # fmt: skip
            self.agree(reply, 200, lambda: {"customers": shown, "pagination": pagination})
            cursor = reply.data["pagination"]["nextCursor"]

    def checkpoints(self, customer: str, pick: int, page: dict[str, int]) -> None:
        """Newest first; a window is listed under each month that it touches."""
        period = one([None, *self.months(customer)], pick)
        found = [c for c in reversed(self.model.checkpoints) if c.customer == customer]
        listed = [c for c in found if period is None or (c.start < end_of(period) and begin(period) < c.end)]
        limit, offset = page.get("limit", 100), page.get("offset", 0)

        def ask(name: str, chosen: list[Checkpoint], show: Callable[[Checkpoint], Any]) -> Any:
            self.model.known(customer)
            rows, pagination = expected.page_of(chosen, limit, offset)
            return {name: [show(c) for c in rows], "pagination": pagination}

        reply = self.client.get(f"{BALANCE}/checkpoints", customerId=customer, period=period, **page)
        self.agree(reply, 200, lambda: ask("checkpoints", listed, expected.checkpoint))
        reply = self.client.get(f"{BALANCE}/customers/{customer}/receipts", **page)
        self.agree(reply, 200, lambda: ask("receipts", found, expected.listed_receipt))

    @precondition(lambda self: self.model.checkpoints)
    @rule(first=picks, second=picks, page=pages)
    def diff(self, first: int, second: int, page: dict[str, int]) -> None:
        earlier, later = one(self.model.checkpoints, first), one(self.model.checkpoints, second)
        mine = [c for c in self.model.checkpoints if c.customer == earlier.customer]
        later = one(mine, second) if first % 5 else later

        def ask() -> Any:
            if earlier.customer != later.customer:
                raise Refused(400, field="to")
            for name, c in (("from", earlier), ("to", later)):
                if not c.single:
                    raise Refused(400, field=name)
            size = [(c.period, len(c.scope.deltas), c.locked) for c in (earlier, later)]
            if size[0] > size[1]:
                raise Refused(400, field="to")
            known = self.model.deltas[earlier.customer]
            return expected.diff(earlier, later, known, page.get("limit", 100), page.get("offset", 0))

        query = {"from": str(earlier.id), "to": str(later.id), **page}
        self.agree(self.client.get(f"{BALANCE}/checkpoints/diff", **query), 200, ask)

    # ------------------------------------------------------------ now and then

    @rule(roll=st.integers(0, 24))
    def now_and_then(self, roll: int) -> None:
        """Emptied, killed and started again, or checked from end to end."""
        if roll == 24:
            self.empty()
        elif roll == 23 and not self.restarted:
            self.restarted = True  # once in an example: it takes its time
            self.server.kill()
            self.server.start()
        elif roll == 22:
            self.clean()


@pytest.fixture(scope="module")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("model")).start("--sandbox-clock", START)
    yield server
    server.close()


def test_the_server_answers_as_the_model_does(lived_in: Server) -> None:
    """Whatever is asked, in whatever order, every reply is the model's, field by field, also after kill -9, and fsck is clean."""
    print(f"to repeat: CONFORMANCE_SEED={SEED} CONFORMANCE_EXAMPLES={EXAMPLES} (0: the same few in every run)")

    class Run(Machine):
        server = lived_in

    machine = seed(SEED)(Run) if EXAMPLES else Run
    profile = settings(max_examples=EXAMPLES or FEW, stateful_step_count=STEPS, derandomize=not EXAMPLES)
    run_state_machine_as_test(machine, settings=profile)
    fsck = lived_in.run("fsck")
    assert fsck.returncode == 0, fsck.stdout
