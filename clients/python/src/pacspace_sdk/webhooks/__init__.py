"""Webhooks: is it the server that sent this?"""

from .verify import Webhooks

__all__ = ["Webhooks"]
