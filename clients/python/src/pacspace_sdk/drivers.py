"""The two drivers, blocking and on an event loop: they run an operation and perform each effect that it yields."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from .protocol import Operation

T = TypeVar("T")


def drive(operation: Operation[T], perform: Callable[[Any], Any]) -> T:
    """Runs the operation to its end; throws into it what `perform` raises."""
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
