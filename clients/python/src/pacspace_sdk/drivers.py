"""The two drivers: they run an operation, performing each effect that it yields, blocking or on an event loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from .protocol import Operation

T = TypeVar("T")


def drive(operation: Operation[T], perform: Callable[[Any], Any]) -> T:
    """Runs the operation to its end; what `perform` raises is thrown into it."""
    step: Callable[[Any], Any] = operation.send
    argument: Any = None
    try:
        while True:
            effect = step(argument)
            try:
                step, argument = operation.send, perform(effect)
            except Exception as error:
                step, argument = operation.throw, error
    except StopIteration as done:
        result: T = done.value
        return result
    finally:
        operation.close()


async def drive_async(operation: Operation[T], perform: Callable[[Any], Awaitable[Any]]) -> T:
    """The same on an event loop."""
    step: Callable[[Any], Any] = operation.send
    argument: Any = None
    try:
        while True:
            effect = step(argument)
            try:
                step, argument = operation.send, await perform(effect)
            except Exception as error:
                step, argument = operation.throw, error
    except StopIteration as done:
        result: T = done.value
        return result
    finally:
        operation.close()
