"""The closed sets of the product: each value is stored and sent as it is written here."""

from __future__ import annotations

from typing import Literal

Environment = Literal["sandbox", "production"]
EnvironmentOrNone = Literal["sandbox", "production", ""]  # empty: of the workspace as a whole
Role = Literal["owner", "admin", "viewer"]
KeyScope = Literal["read", "write", "admin"]
KeyEnvironment = Literal["test", "live"]
SharingPolicy = Literal["TWO_TIER", "GATED", "OPEN", "OFF"]
SharingHint = Literal["INHERIT", "TWO_TIER", "GATED", "OPEN", "OFF"]
VisitKind = Literal["viewed", "exported", "compared", "code failed"]
VerifySource = Literal["db", "chain", "both"]
EventCadence = Literal["PER_EVENT", "DAILY", "SUB_DAILY"]
Granularity = Literal["day", "week", "month"]
DeltaStatus = Literal["QUEUED", "PROCESSING", "VERIFIED", "FAILED"]
CheckpointStatus = Literal["VERIFIED", "QUEUED", "PROVISIONAL"]
DeliveryStatus = Literal["pending", "delivered", "failed"]
JobStatus = Literal["RUNNING", "DONE"]
ScopeMode = Literal["current_month", "period", "custom", "checkpoint"]
