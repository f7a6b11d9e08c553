"""What a record must hold, in plain Python and from the written rules alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from .modelled import Checkpoint, Delta, Once, Refused, Scope, begin, end_of, shifted, total

ONE_US = timedelta(microseconds=1)


def readable(window: Any) -> None:
    """A window touches at most 36 months. What can't be read is refused before anything else is looked at."""
    last, first = (
        (int(a[:4]) * 12 + int(a[5:7]) for a in (shifted(window[1], -ONE_US), window[0])) if window else (0, 0)
    )
    if last - first >= 36:
        raise Refused(400, "SCOPE_TOO_WIDE")


class Model:
    """One sandbox, from its reset on."""

    def __init__(self, now: str) -> None:
        self.now = now
        self.deltas: dict[str, list[Delta]] = {}
        self.checkpoints: list[Checkpoint] = []
        self.keys: dict[Any, tuple[Any, Any]] = {}
        self._once: dict[Any, Once] = {}

    def once(self, *name: Any) -> Once:
        return self._once.setdefault(name, Once())

    def move(self, to: str) -> None:
        if to < self.now and self.deltas:
            raise Refused(400, field="now")
        self.now = to

    def known(self, customer: str) -> list[Delta]:
        if customer not in self.deltas:
            raise Refused(404, "CUSTOMER_NOT_FOUND")
        return self.deltas[customer]

    def locks(self, customer: str) -> list[Checkpoint]:
        return [c for c in self.checkpoints if c.locked and c.customer == customer]

    def locked_through(self, customer: str) -> str:
        return max((c.period or "" for c in self.locks(customer)), default="")

    def trees(self, customer: str) -> list[str]:
        locked = {c.period or "" for c in self.locks(customer)}
        return sorted({d.period for d in self.deltas[customer]} | locked)

    def replay(self, name: Any, body: Any) -> Any:
        """The outcome that is kept under an Idempotency-Key."""
        before, outcome = self.keys.get(name, (body, None))
        if before != body:
            raise Refused(409, "IDEMPOTENCY_CONFLICT")
        return outcome

    def emit(self, item: dict[str, Any], key: Any = None) -> tuple[Delta, str | None]:
        """The delta, and what replayed it."""
        customer, reference = item["customerId"], item.get("referenceId")
        known = self.deltas.get(customer, [])
        said = {name: item.get(name) for name in ("delta", "reason", "metadata", "occurredAt", "adjusts")}
        said["occurredAt"] = shifted(said["occurredAt"]) if said["occurredAt"] else None
        name, body = (customer, key), {**said, "referenceId": reference}
        if key is not None and (replayed := self.replay(name, body)):
            return replayed, "key"
        for by, value in (item.get("adjusts") or {}).items():
            found = [d for d in known if value == (d.reference if by == "referenceId" else d.record_id.value)]
            said["adjusts"] = found[0] if found else value
        earlier = next((d for d in known if d.reference == reference is not None), None)
        if earlier and earlier.said != said:
            fields = {name: (earlier.said[name], said[name]) for name in said if earlier.said[name] != said[name]}
            raise Refused(409, "REFERENCE_ID_CONFLICT", recorded=earlier, fields=fields)
        delta = earlier or self._record(customer, said, reference)
        if key is not None:
            self.keys[name] = body, delta
        return delta, "reference" if earlier else None

    def _record(self, customer: str, said: dict[str, Any], reference: str | None) -> Delta:
        occurred, oldest = said["occurredAt"], f"{int(self.now[:4]) - 3}{self.now[4:7]}"
        if occurred and not oldest <= occurred <= shifted(self.now, timedelta(minutes=5)):
            raise Refused(400, field="occurredAt")
        if isinstance(said["adjusts"], str):
            raise Refused(404, "RECORD_NOT_FOUND")
        known, locked = self.deltas.setdefault(customer, []), self.locked_through(customer)
        posted = max(occurred or self.now, end_of(locked) if locked else "")
        known.append(Delta(customer, len(known) + 1, said, reference, self.now, posted))
        return known[-1]

    def scope(
        self, customer: str, period: Any = None, window: Any = None, after: Delta | Checkpoint | None = None
    ) -> Scope:
        readable(window)
        known, trees = self.known(customer), self.trees(customer)
        if isinstance(after, Delta):
            later = known[after.sequence :]
            return Scope("checkpoint", later, total(known[: after.sequence]), sorted({d.period for d in later}))
        if isinstance(after, Checkpoint) and not after.locked:
            raise Refused(400, field="startingCheckpoint")
        if window:
            mode, (start, end) = "custom", window
        elif period:
            mode, start, end = "period", begin(period), end_of(period)
            if period > self.now[:7] and period not in trees:
                raise Refused(400, field="period")
        else:
            mode = "checkpoint" if after else "current_month"
            start = end_of(after.period or "") if after else begin(self.now[:7])
            end = end_of(max(start[:7], trees[-1]))
        inside = sorted((d for d in known if start <= d.posted < end), key=lambda d: d.period)
        touched = [t for t in trees if start < end_of(t) and begin(t) < end]
        return Scope(mode, inside, total([d for d in known if d.posted < start]), touched, start, end)

    def lock(self, customer: str, period: str, invoice: str | None) -> tuple[Checkpoint, list[Checkpoint], bool]:
        """The lock, the earlier months that were locked with it, and whether it was there before."""
        self.known(customer)
        if period <= (last := self.locked_through(customer)):
            return min((c for c in self.locks(customer) if c.period >= period), key=lambda c: c.period), [], True
        self.scope(customer, period)
        also = [self._close(customer, t) for t in self.trees(customer) if last < t < period]
        return self._close(customer, period, invoice), also, False

    def _close(self, customer: str, period: str, invoice: str | None = None) -> Checkpoint:
        scope, locks = self.scope(customer, period), self.locks(customer)
        scope.trees = [period]
        root = self.once("root", customer, period, len(scope.deltas), True)
        lock = Checkpoint(customer, scope, True, root, self.now, invoice, locks[-1] if locks else None)
        self.checkpoints.append(lock)
        return lock

    def hand_out(self, customer: str, scope: Scope) -> Checkpoint | None:
        """What a scope is now: as it was handed out first or last, if it is still the same. None when it touches no month."""
        if not scope.trees:
            return None
        last, count = self.locked_through(customer), lambda t: sum(d.period == t for d in self.deltas[customer])
        states = [(t, count(t), t <= last) for t in scope.trees]
        new = Checkpoint(customer, scope, False, Once(), self.now)
        new.root = (
            self.once("root", customer, *states[0]) if new.single else self.once(new.start, new.end, customer, *states)
        )
        mine = [c for c in self.checkpoints if c.customer == customer]
        alike = [c for c in mine if c.root is new.root][:1] + mine[-1:]
        same = [c for c in alike if c.root is new.root and c.scope.before == scope.before]
        if not same:
            self.checkpoints.append(new)
        return same[0] if same else new
