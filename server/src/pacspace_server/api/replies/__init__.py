"""What each route answers, as types: the OpenAPI document is made of them, and tests hold every reply against it.

Nothing is read or written with these types, so they cost nothing at run time; annotations are real objects, because
msgspec reads them.
"""

from .balance import Batch, Compared, Delta, DeltaStatus, Derived, Limits
from .checkpoints import Checkpointed, CheckpointMade, Checkpoints, Diff, Job, Timeline
from .customers import Customer, CustomerRow, Customers, Gaps, NewCustomer, Usage
from .dashboard import (
    ApiKey,
    ApiKeys,
    AuditTrail,
    ClosePackage,
    EnvironmentRow,
    Environments,
    EnvironmentStatus,
    Invited,
    LoggedIn,
    LoggedOut,
    Me,
    NewApiKey,
    Summary,
    User,
    Users,
    Workspace,
)
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
    "AccessLink",
    "ApiKey",
    "ApiKeys",
    "AuditTrail",
    "Batch",
    "CheckpointMade",
    "Checkpointed",
    "Checkpoints",
    "Clock",
    "ClosePackage",
    "CodeVerified",
    "Compared",
    "Customer",
    "CustomerRow",
    "Customers",
    "Deliveries",
    "Delivery",
    "Delta",
    "DeltaStatus",
    "Derived",
    "Diff",
    "EnvironmentRow",
    "EnvironmentStatus",
    "Environments",
    "Gaps",
    "Health",
    "Invited",
    "Job",
    "Limits",
    "LoggedIn",
    "LoggedOut",
    "Me",
    "NewApiKey",
    "NewCustomer",
    "Ready",
    "Receipt",
    "ReceiptDocument",
    "Receipts",
    "Reset",
    "SharedActivity",
    "SharedComparison",
    "SharedNote",
    "SharedNotes",
    "SharedPeriods",
    "SharedSummary",
    "SharedVisits",
    "Sharing",
    "Summary",
    "Timeline",
    "Usage",
    "User",
    "Users",
    "Verdict",
    "Workspace",
]
