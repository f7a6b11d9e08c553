"""What each route answers, as types: the OpenAPI document is made of them, and tests hold every reply against it.

Nothing is read or written with these types, so they cost nothing at run time; annotations are real objects, because
msgspec reads them.
"""

from .balance import Batch, Compared, Delta, DeltaStatus, Derived, Limits
from .checkpoints import Checkpointed, Checkpoints, Diff, Job, Timeline
from .customers import Customer, Customers, Gaps, NewCustomer, Usage
from .public import Health, Ready, Verdict
from .receipts import Receipt, ReceiptDocument, Receipts
from .sandbox import Clock, Reset
from .sharing import (
    AccessLink,
    CodeVerified,
    SharedActivity,
    SharedComparison,
    SharedNote,
    SharedNotes,
    SharedPeriods,
    SharedSummary,
    SharedVisits,
    Sharing,
)
from .webhooks import Deliveries, Delivery

__all__ = [
    "AccessLink", "Batch", "Checkpointed", "Checkpoints", "Clock", "CodeVerified", "Compared", "Customer", "Customers", "Deliveries", "Delivery", "Delta", "DeltaStatus", "Derived", "Diff", "Gaps", "Health", "Job", "Limits", "NewCustomer", "Ready", "Receipt", "ReceiptDocument", "Receipts", "Reset", "SharedActivity", "SharedComparison", "SharedNote", "SharedNotes", "SharedPeriods", "SharedSummary", "SharedVisits", "Sharing", "Timeline", "Usage", "Verdict",
]  # fmt: skip
