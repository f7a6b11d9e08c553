"""A customer's link: its handle and its policy.

The handle contains the shard key, which finds the customer, and 128 random bits, which make it unguessable.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from ...domain.enumerations import SharingHint, SharingPolicy
from ...storage.model.protocols import InDoubt, Snapshot, Unit
from ...storage.model.records import Customer, Environment
from ...storage.model.sharing import Link
from ...storage.writing.committer import NotWritten
from ...views.receipts import CustomerLinks
from ...views.sharing import AccessLink
from ...views.sharing import Sharing as SharingView
from ..base import audit
from ..base.context import Caller, Context, find_customer
from ..base.errors import ServiceError
from ..base.vendor import name_of, workspace_of
from .codes import access_code

TWO_TIER: Final = "TWO_TIER"
GATED: Final = "GATED"
OPEN: Final = "OPEN"
OFF: Final = "OFF"
INHERIT: Final = "INHERIT"
POLICIES = (TWO_TIER, GATED, OPEN, OFF)
NO_LINK: CustomerLinks = {"customerLinkUrl": None, "customerLinkHost": None, "accessHint": None}
NONCE_BYTES = 16
HANDLE = re.compile(r"cus_([0-9a-f]{32})([0-9a-f]{32})")


@dataclass(frozen=True)
class Sharing:
    """A workspace's default policy, and the vendor's name."""

    policy: SharingPolicy
    vendor_name: str | None


@dataclass(frozen=True)
class Shared:
    """The Shared Record of one customer, behind a valid link."""

    customer: Customer
    environment: Environment
    link: Link
    policy: SharingPolicy
    vendor_name: str | None

    @property
    def handle(self) -> str:
        return handle_of(self.customer, self.link)

    @property
    def caller(self) -> Caller:
        """The visitor as a caller: this environment, without scopes."""
        return Caller(self.environment.id, self.environment.name, self.environment.workspace_id, ())


def handle_of(customer: Customer, link: Link) -> str:
    return f"cus_{customer.shard_key.hex()}{link.nonce.hex()}"


def sharing_of(snapshot: Snapshot, environment: Environment) -> Sharing:
    """The defaults of an environment's workspace."""
    workspace = workspace_of(snapshot, environment)
    return Sharing(workspace.sharing_policy, name_of(workspace))


def policy_of(sharing: Sharing, link: Link) -> SharingPolicy:
    return sharing.policy if link.policy is None or link.policy == INHERIT else link.policy


def find(snapshot: Snapshot, handle: str) -> Shared:
    """The Shared Record behind a link. 404 LINK_NOT_FOUND if the link is unknown or replaced, or sharing is off."""
    match = HANDLE.fullmatch(handle.strip().lower())
    customer = snapshot.customer_by_shard(bytes.fromhex(match[1])) if match else None
    link = snapshot.link(customer) if customer else None
    if match and customer and link and hmac.compare_digest(link.nonce, bytes.fromhex(match[2])):
        environment = snapshot.environment(customer.environment_id)
        sharing = sharing_of(snapshot, environment)
        shared = Shared(customer, environment, link, policy_of(sharing, link), sharing.vendor_name)
        if shared.policy != OFF:
            return shared
    raise ServiceError("LINK_NOT_FOUND", "this link is unknown or no longer valid: ask the vendor for the current one")


# ---------------------------------------------------------------- links on receipts


async def ensure_link(context: Context, environment_id: int, shard_key: bytes) -> None:
    """Makes a customer's link on first need. A failed write is ignored, so that receipts stay available."""

    def has_link(snapshot: Snapshot) -> bool:
        customer = snapshot.customer(environment_id, shard_key)
        return customer is None or snapshot.link(customer) is not None

    def work(unit: Unit) -> None:
        customer = unit.customer(environment_id, shard_key)
        if customer is not None:
            stored_link(unit, customer)

    if not await context.look(has_link):
        try:
            await context.committer.run(work)
        except (NotWritten, InDoubt):
            return


def stored_link(unit: Unit, customer: Customer) -> Link:
    """The link of a stored customer, made if there is none."""
    found = unit.link(customer)
    if found is not None:
        return found
    profile = unit.profile(customer)
    made = Link(customer.id, secrets.token_bytes(NONCE_BYTES), 1, profile.sharing_hint if profile else None)
    unit.set_link(customer, made)
    return made


def receipt_links(context: Context, snapshot: Snapshot, customer: Customer) -> CustomerLinks:
    """The link as receipts show it."""
    view = link_view(context, snapshot, customer)
    return {
        "customerLinkUrl": view["customerLinkUrl"],
        "customerLinkHost": view["customerLinkHost"],
        "accessHint": view["accessHint"],
    }


def at_month(link: str, period: str | None) -> str:
    """The link to a month."""
    return f"{link}?period={period}" if period else link


def link_view(context: Context, snapshot: Snapshot, customer: Customer) -> AccessLink:
    """A customer's link and code, for the vendor; nulls while sharing is off."""
    link = snapshot.link(customer)
    sharing = sharing_of(snapshot, snapshot.environment(customer.environment_id))
    policy = policy_of(sharing, link) if link else sharing.policy
    shown = link if policy != OFF else None
    handle = handle_of(customer, shown) if shown else None
    return {
        "customerId": customer.customer_id,
        "policy": policy,
        "sharingStateHint": link.policy or INHERIT if link else INHERIT,
        "customerHandle": handle,
        "customerLinkUrl": f"{context.public_url}/c/{handle}" if handle else None,
        "customerLinkHost": urlsplit(context.public_url).hostname if handle else None,
        "accessHint": access_code(context, handle, shown.version) if handle and shown else None,
    }


# ---------------------------------------------------------------- the vendor's side


async def access_link(context: Context, caller: Caller, customer_id: str) -> AccessLink:
    """The customer's link and code."""
    await ensure_link(context, caller.environment_id, context.shard(caller, customer_id))
    return await context.look(
        lambda snapshot: link_view(context, snapshot, find_customer(context, snapshot, caller, customer_id))
    )


async def reissue_link(context: Context, caller: Caller, customer_id: str) -> AccessLink:
    """Replaces the link; the old one, its code and its cookies stop working."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return await _change(
        context, caller, customer_id, "link.reissue", lambda link: replace(link, nonce=nonce, version=1)
    )


async def reissue_code(context: Context, caller: Caller, customer_id: str) -> AccessLink:
    """Replaces the link's code; the old code and the cookies of its visitors stop working."""
    return await _change(
        context, caller, customer_id, "code.reissue", lambda link: replace(link, version=link.version + 1)
    )


async def set_customer_policy(context: Context, caller: Caller, customer_id: str, hint: SharingHint) -> AccessLink:
    """Sets one customer's policy; INHERIT uses the workspace's."""
    return await _change(
        context, caller, customer_id, "sharing.change", lambda link: replace(link, policy=hint), {"policy": hint}
    )


async def _change(
    context: Context,
    caller: Caller,
    customer_id: str,
    action: str,
    changed: Callable[[Link], Link],
    details: dict[str, str] | None = None,
) -> AccessLink:
    def work(unit: Unit) -> Customer:
        customer = find_customer(context, unit, caller, customer_id)
        unit.set_link(customer, changed(stored_link(unit, customer)))
        audit.record(unit, caller, action, customer_id, details)
        return customer

    customer = await context.committer.run(work)
    return await context.look(lambda snapshot: link_view(context, snapshot, customer))


def sharing_view(sharing: Sharing) -> SharingView:
    return {"policy": sharing.policy, "vendorName": sharing.vendor_name}


async def get_sharing(context: Context, caller: Caller) -> SharingView:
    """The defaults of the caller's workspace."""
    return await context.look(
        lambda snapshot: sharing_view(sharing_of(snapshot, snapshot.environment(caller.environment_id)))
    )


async def set_sharing(
    context: Context, caller: Caller, policy: SharingPolicy | None, vendor_name: str | None
) -> SharingView:
    """Changes the given defaults."""

    def work(unit: Unit) -> Sharing:
        workspace = unit.workspace(caller.workspace_id)
        assert workspace is not None
        workspace.sharing_policy, workspace.name = policy or workspace.sharing_policy, vendor_name or workspace.name
        unit.set_workspace(workspace)
        after = Sharing(workspace.sharing_policy, name_of(workspace))
        audit.record(unit, caller, "workspace.change", workspace.id, {**sharing_view(after)})
        return after

    return sharing_view(await context.committer.run(work))
