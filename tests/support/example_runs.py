"""Running the examples by way of a scheduler, and holding them to their endings."""

from typing import Any

import msgspec

from support.caller import PATIENCE, Caller
from support.examples import ENDINGS, example_folder, example_request
from tools.testbed.description import NodeDescription


def only_on(node: NodeDescription) -> dict[str, Any]:
    """Return what a workgroup says whose runs are to go to a real node."""
    expression = {"key": node.label, "operator": "In", "values": [node.name]}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    return {
        "tolerations": [{"key": node.taint, "operator": "Exists"}],
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}},
    }


async def ends_as_its_readme_says(
    caller: Caller, algorithm: str, patience: float = PATIENCE
) -> dict[str, Any]:
    """Submit the request beside an example and wait for its end; return its result.

    `patience` is in seconds, from the acceptance on.
    """
    body = msgspec.json.decode(example_request(algorithm))
    request_id = await caller.submit(algorithm, body)
    result = await caller.finished(algorithm, request_id, patience)
    ending = ENDINGS[algorithm]
    assert result["status"] == ending.stage, result
    assert ending.says in result["runErrorMessage"]
    assert ending.stage in (example_folder(algorithm) / "README.md").read_text("utf-8")
    if ending.stage == "COMPLETED":
        _check_answer(algorithm, await caller.fetch(result["resultUri"]))
    if algorithm == "does-not-start":
        told = await caller.metadata(algorithm, request_id)
        assert "no-such-program" in told["algorithm_failure_details"]
    return result


def _check_answer(algorithm: str, answer: dict[str, Any]) -> None:
    if algorithm == "hello-world":
        assert answer == {"greeting": "Hello, Ada!"}
    elif algorithm == "tsp":
        assert len(answer["tour"]) == 52
        assert 7542 <= answer["length"] <= 7542 * 1.05
    else:
        assert answer == {"sum": 55, "children": 4}
