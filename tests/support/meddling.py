"""Parts that do what a test says in some of their methods, and are real everywhere else."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

T = TypeVar("T")


class _Meddled:
    def __init__(self, part: object, methods: dict[str, Callable[..., Any]]) -> None:
        self._part = part
        self._methods = methods

    def __getattr__(self, name: str) -> Any:
        return self._methods.get(name) or getattr(self._part, name)


def meddled(part: T, **methods: Callable[..., Any]) -> T:
    """Return a part some of whose methods are the test's own."""
    unknown = [name for name in methods if not hasattr(part, name)]
    assert not unknown, f"{type(part).__name__} has no {unknown}"
    return cast("T", _Meddled(part, methods))
