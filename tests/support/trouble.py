"""Ports that a test makes fail or wait, and whose calls it reads afterwards."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, NamedTuple, TypeVar, cast

from nexus_core.composition.stores import Stores
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.names import RunKey

P = TypeVar("P")

AWAY = UnavailableError("the store is away")


class Call(NamedTuple):
    """A call that was answered."""

    method: str
    arguments: tuple[Any, ...]
    answer: Any


@dataclass
class Trouble:
    """What happens to the calls of some ports before they get through."""

    errors: dict[str, Exception] = field(default_factory=dict)
    """By method: raised instead of calling it."""
    gates: dict[RunKey, asyncio.Event] = field(default_factory=dict)
    """By run: calls about it wait for the gate."""
    waiting: set[RunKey] = field(default_factory=set)
    """The runs of the calls that wait at a gate."""
    calls: list[Call] = field(default_factory=list)

    def breaks(self, *methods: str, error: Exception = AWAY) -> None:
        self.errors.update(dict.fromkeys(methods, error))

    def holds_up(self, key: RunKey) -> asyncio.Event:
        """Let calls about a run wait until the event is set."""
        return self.gates.setdefault(key, asyncio.Event())

    def is_over(self) -> None:
        self.errors.clear()

    def answers(self, method: str) -> list[Call]:
        return [call for call in self.calls if call.method == method]

    def befalls(self, stores: Stores) -> Stores:
        """Return stores whose calls are subject to this."""
        return replace(
            stores,
            store=self._around(stores.store),
            index=self._around(stores.index),
            leases=self._around(stores.leases),
            journal=self._around(stores.journal),
            election=self._around(stores.election),
            retention=self._around(stores.retention),
            payloads=self._around(stores.payloads),
        )

    def _around(self, port: P) -> P:
        return cast("P", _Troubled(port, self))


class _Troubled:
    """Stands for any port; hands on what is no coroutine as it is."""

    def __init__(self, port: object, trouble: Trouble) -> None:
        self._port = port
        self._trouble = trouble

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        return self._troubled(name, method) if iscoroutinefunction(method) else method

    def _troubled(
        self, name: str, method: Callable[..., Coroutine[Any, Any, Any]]
    ) -> Callable[..., Coroutine[Any, Any, Any]]:
        trouble = self._trouble

        @wraps(method)
        async def call(*arguments: Any, **more: Any) -> Any:
            for key in trouble.gates.keys() & {a for a in arguments if isinstance(a, RunKey)}:
                trouble.waiting.add(key)
                await trouble.gates[key].wait()
                trouble.waiting.discard(key)
            if error := trouble.errors.get(name):
                raise error
            answer = await method(*arguments, **more)
            trouble.calls.append(Call(name, arguments, answer))
            return answer

        return call
