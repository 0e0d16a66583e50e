"""What algorithms and operators ask of a service."""

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from nexus_core.domain.names import RunKey
from support.calls import Answer, Client


class ReceiverClient(Client):
    """Reports completions, as algorithms do."""

    version = "v1"

    async def complete(self, key: RunKey, **body: Any) -> Answer:
        """Report a completion, which must be taken."""
        answer = await self.report(key, json=body)
        assert answer.status == 202, answer
        return answer

    async def report(self, key: RunKey, **how: Any) -> Answer:
        """Report whatever is said, and return any answer."""
        return await self.call("POST", self.path("complete", key), **how)

    async def check(self, key: RunKey, **how: Any) -> Answer:
        return await self.get(self.path("check", key), **how)

    def path(self, what: str, key: RunKey) -> str:
        return f"/algorithm/{self.version}/{what}/{key.algorithm}/requests/{key.request_id}"


async def metric(service: Client, name: str, **labels: str) -> float:
    """Return the sum of a service's samples with these labels; 0 when there is none."""
    answer = await service.get("/metrics")
    return sum(
        sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )
