"""The smallest algorithm: greets whom the payload names."""

from typing import Any

from examples.nexus_run import AlgorithmError, Run


def greet(payload: dict[str, Any]) -> dict[str, str]:
    """Return a greeting for `{"name": "Ada"}`."""
    name = payload.get("name")
    if not isinstance(name, str) or not name:
        raise AlgorithmError("the payload must hold a name, such as {'name': 'Ada'}")
    return {"greeting": f"Hello, {name}!"}


if __name__ == "__main__":
    Run().answer(greet)
