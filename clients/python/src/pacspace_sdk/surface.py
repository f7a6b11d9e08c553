"""Makes methods of operations: an operation is written once, and listed in the blocking and in the async surface.

A method has the typed signature of its operation, without the first parameter.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeAlias, TypeVar

from .protocol import Operation

P = ParamSpec("P")
T = TypeVar("T")
C = TypeVar("C")

Place: TypeAlias = int | str
# Reads the page at a place (None for the first); returns its items and the next place, None after the last page.
Pages: TypeAlias = Callable[[Place | None], Operation[tuple[list[T], Place | None]]]


class Runner(Protocol):
    """Runs an operation, blocking."""

    def __call__(self, operation: Operation[T], /) -> T: ...


class AsyncRunner(Protocol):
    """Runs an operation on the event loop."""

    def __call__(self, operation: Operation[T], /) -> Coroutine[Any, Any, T]: ...


class Surface(Generic[C]):
    """A part of a blocking client: the state that its operations share, and their runner."""

    def __init__(self, core: C, run: Runner) -> None:
        self._core, self._run = core, run


class AsyncSurface(Generic[C]):
    """A part of an async client."""

    def __init__(self, core: C, run: AsyncRunner) -> None:
        self._core, self._run = core, run


def blocking(operation: Callable[Concatenate[C, P], Operation[T]]) -> Callable[Concatenate[Surface[C], P], T]:
    """The method that runs the operation and returns its result."""

    @wraps(operation)
    def method(self: Surface[C], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._run(operation(self._core, *args, **kwargs))

    return _signed(method, operation, "Operation[{}]", "{}")


def awaitable(
    operation: Callable[Concatenate[C, P], Operation[T]],
) -> Callable[Concatenate[AsyncSurface[C], P], Coroutine[Any, Any, T]]:
    """The coroutine method that runs the operation and returns its result."""

    @wraps(operation)
    async def method(self: AsyncSurface[C], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._run(operation(self._core, *args, **kwargs))

    return _signed(method, operation, "Operation[{}]", "{}")


def iterating(pages: Callable[Concatenate[C, P], Pages[T]]) -> Callable[Concatenate[Surface[C], P], Iterator[T]]:
    """The method that reads page after page and yields their items."""

    @wraps(pages)
    def method(self: Surface[C], /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        read = pages(self._core, *args, **kwargs)  # here, so that the call itself refuses wrong options

        def items() -> Iterator[T]:
            place: Place | None = None
            while True:
                page, place = self._run(read(place))
                yield from page
                if place is None:
                    return

        return items()

    return _signed(method, pages, "Pages[{}]", "Iterator[{}]")


def async_iterating(
    pages: Callable[Concatenate[C, P], Pages[T]],
) -> Callable[Concatenate[AsyncSurface[C], P], AsyncIterator[T]]:
    """The same for `async for`."""

    @wraps(pages)
    def method(self: AsyncSurface[C], /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
        read = pages(self._core, *args, **kwargs)

        async def items() -> AsyncIterator[T]:
            place: Place | None = None
            while True:
                page, place = await self._run(read(place))
                for item in page:
                    yield item
                if place is None:
                    return

        return items()

    return _signed(method, pages, "Pages[{}]", "AsyncIterator[{}]")


F = TypeVar("F", bound=Callable[..., Any])


def _signed(method: F, operation: Callable[..., Any], returns: str, shown: str) -> F:
    """Gives the method the signature that `help` and editors show."""
    signature = inspect.signature(operation)
    before, after = returns.split("{}")
    result = shown.format(str(signature.return_annotation).removeprefix(before).removesuffix(after))
    _, *parameters = signature.parameters.values()
    itself = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    made: Any = method
    made.__signature__ = signature.replace(parameters=[itself, *parameters], return_annotation=result)
    made.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": result}
    del made.__wrapped__
    return method
