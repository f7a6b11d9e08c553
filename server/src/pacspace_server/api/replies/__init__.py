"""What each route answers, as types: the OpenAPI document is made of them, and tests hold every reply against it.

Nothing is read or written with these types, so they cost nothing at run time; annotations are real objects, because
msgspec reads them.
"""

from .balance import Batch, Compared, Delta, DeltaStatus, Derived, Limits
from .checkpoints import Checkpointed, Checkpoints, Diff, Job, Timeline
from .customers import Customer, Customers, Gaps, NewCustomer, Usage
from .dashboard import AuditTrail, LoggedIn, LoggedOut, Me
from .public import Health, Ready, Verdict
from .receipts import Receipt, ReceiptDocument, Receipts
from .sandbox import Clock, Reset
from .webhooks import Deliveries, Delivery

__all__ = [
    "AuditTrail", "Batch", "Checkpointed", "Checkpoints", "Clock", "Compared", "Customer", "Customers", "Deliveries", "Delivery", "Delta",
    "DeltaStatus", "Derived", "Diff", "Gaps", "Health", "Job", "Limits", "LoggedIn", "LoggedOut", "Me", "NewCustomer", "Ready", "Receipt", "ReceiptDocument",
    "Receipts", "Reset", "Timeline", "Usage", "Verdict",
]  # fmt: skip
