"""Webhooks: verifies that the server sent a request."""

from .verify import Webhooks

__all__ = ["Webhooks"]
