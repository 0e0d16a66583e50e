"""Calls the published client as it is told: a JSON object a line in, one a line out.

Runs in an environment of its own, which holds the client and nothing of Nexus.
"""

import json
import sys
from dataclasses import asdict, is_dataclass
from types import GeneratorType
from typing import Any

from adapta.logs import SemanticLogger
from adapta.logs.models import LogLevel
from nexus_client_sdk.clients.nexus_receiver_client import NexusReceiverClient
from nexus_client_sdk.clients.nexus_scheduler_client import NexusSchedulerClient
from nexus_client_sdk.models.receiver import SdkCompletedRunResult
from nexus_client_sdk.models.scheduler import SdkCustomRunConfiguration, SdkParentRequest


def main() -> None:
    """Answer until the input ends. The arguments are the URLs of scheduler and receiver."""
    scheduler_url, receiver_url = sys.argv[1:]
    logger = SemanticLogger().add_log_source(
        log_source_name="client", min_log_level=LogLevel.ERROR, is_default=True
    )
    clients = {
        "scheduler": NexusSchedulerClient(scheduler_url, logger),
        "receiver": NexusReceiverClient(receiver_url, logger),
    }
    for line in sys.stdin:
        call = json.loads(line)
        method = getattr(clients[call["client"]], call["method"])
        try:
            answer = {"result": _plain(method(**_arguments(call["arguments"])))}
        except Exception as error:  # noqa: BLE001 - whatever it raises is the answer
            answer = {"error": type(error).__name__, "message": str(error)}
        print(json.dumps(answer), flush=True)  # noqa: T201 - the answer


def _arguments(said: dict[str, Any]) -> dict[str, Any]:
    """Return arguments with the structures of the client in place of their fields."""
    kinds = {
        "custom_configuration": SdkCustomRunConfiguration.create,
        "parent_request": SdkParentRequest.create,
        "result": _completion,
    }
    return {name: kinds[name](**value) if name in kinds else value for name, value in said.items()}


def _completion(**said: str) -> Any:
    if failure := said.pop("error", None):
        return SdkCompletedRunResult.create(error=RuntimeError(failure))
    return SdkCompletedRunResult.create(**said)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {
            name: field.decode() if isinstance(field, bytes) else field
            for name, field in asdict(value).items()
        }
    if isinstance(value, GeneratorType | list):
        return [_plain(item) for item in value]
    return value


if __name__ == "__main__":
    main()
