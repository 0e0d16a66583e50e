"""The condition in the status of a resource."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from nexus_core.adapters.kubernetes.conditions import patch, says_already
from nexus_core.adapters.kubernetes.custom_resources import CustomResource
from nexus_core.adapters.kubernetes.held_resources import Verdict
from nexus_core.adapters.kubernetes.objects import ObjectMeta

NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
YES = Verdict(True, "Accepted", "Runs go to cluster 'shard-0'.")
NO = Verdict(False, "UnknownCluster", "spec.cluster: …")

SAID = {
    "type": "Accepted",
    "status": "True",
    "reason": "Accepted",
    "message": "Runs go to cluster 'shard-0'.",
    "observedGeneration": 3,
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}
OF_ANOTHER = {"type": "Ready", "status": "True", "reason": "AlgorithmReady", "message": ""}


def a_resource(*conditions: Any, generation: int = 3) -> CustomResource:
    metadata = ObjectMeta(name="default", resource_version="17", generation=generation)
    return CustomResource(metadata, {}, {"conditions": list(conditions)})


def patched(resource: CustomResource, verdict: Verdict) -> Any:
    return msgspec.json.decode(patch(resource, verdict, NOW))


def test_writes_what_there_is_to_say_of_the_version_that_was_looked_at() -> None:
    assert patched(a_resource(), YES) == {
        "metadata": {"resourceVersion": "17"},
        "status": {"conditions": [{**SAID, "lastTransitionTime": "2026-01-02T03:04:05Z"}]},
    }


def test_a_status_that_stays_keeps_its_time() -> None:
    resource = a_resource({**SAID, "message": "other words", "observedGeneration": 2})

    assert patched(resource, YES)["status"]["conditions"] == [SAID]


def test_a_status_that_changes_has_a_new_time() -> None:
    (condition,) = patched(a_resource(SAID), NO)["status"]["conditions"]

    assert condition["status"] == "False"
    assert condition["lastTransitionTime"] == "2026-01-02T03:04:05Z"


def test_conditions_of_others_stay_as_they_are() -> None:
    resource = a_resource(OF_ANOTHER, SAID, OF_ANOTHER)

    *others, own = patched(resource, NO)["status"]["conditions"]

    assert others == [OF_ANOTHER, OF_ANOTHER]
    assert own["type"] == "Accepted"


def test_tells_whether_the_same_is_said_already() -> None:
    assert says_already(a_resource(OF_ANOTHER, SAID), YES)
    assert not says_already(a_resource(OF_ANOTHER), YES)
    assert not says_already(a_resource(SAID), NO)
    assert not says_already(a_resource(SAID, generation=4), YES)
    assert not says_already(a_resource({**SAID, "message": "other words"}), YES)
    assert not says_already(a_resource("no condition"), YES)
