"""What each route answers, for the OpenAPI document: the fields of `data`."""

from __future__ import annotations

from typing import Any

Delta = Batch = DeltaStatus = Derived = Limits = Compared = Checkpointed = Job = Checkpoints = Diff = Timeline = Any
Receipt = ReceiptDocument = Receipts = Customers = Customer = Usage = Gaps = Deliveries = Delivery = Clock = Reset = Any
NewCustomer = Verdict = Health = Ready = Any
