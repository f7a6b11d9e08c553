"""`pac.customers`: customers as in the dashboard; needs a dashboard token."""

from __future__ import annotations

from typing import Final

from .operations import customers
from .protocol import Core
from .surface import AsyncSurface, Surface, awaitable, blocking


class Customers(Surface[Core]):
    """Customers created by hand, before their first delta."""

    create: Final = blocking(customers.create)


class AsyncCustomers(AsyncSurface[Core]):
    """The same on an event loop."""

    create: Final = awaitable(customers.create)
