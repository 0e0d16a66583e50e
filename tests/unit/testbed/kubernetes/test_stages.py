import json

import pytest
import yaml

from tools.testbed.kubernetes import pod_status
from tools.testbed.kubernetes.outcomes import STARTS, Outcome
from tools.testbed.kubernetes.stage_parts import Stage
from tools.testbed.kubernetes.stages import stages


def stages_of(outcome: Outcome) -> list[Stage]:
    """The stages that ask for the outcome."""
    return [stage for stage in stages() if f'"{outcome}"' in json.dumps(values_of(stage))]


def values_of(stage: Stage) -> list[list[str]]:
    expressions = stage["spec"]["selector"]["matchExpressions"]
    return [expression["jq"].get("values", []) for expression in expressions]


def events_of(stage: Stage) -> list[str]:
    templates = [step["apply"]["template"] for step in stage["spec"]["steps"] if "apply" in step]
    return [
        line.removeprefix("reason: ")
        for template in templates
        for line in template.splitlines()
        if line.startswith("reason: ")
    ]


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_its_stages(outcome: Outcome) -> None:
    names = [stage["metadata"]["name"] for stage in stages_of(outcome)]

    # One that runs until it is deleted needs no more than a start.
    assert len(names) == (2 if outcome in STARTS and outcome is not Outcome.RUNS else 1)


@pytest.mark.parametrize("outcome", Outcome)
def test_only_what_starts_says_so(outcome: Outcome) -> None:
    said = [reason for stage in stages_of(outcome) for reason in events_of(stage)]

    assert ("Started" in said) is (outcome in STARTS)


def test_names_are_unique() -> None:
    names = [stage["metadata"]["name"] for stage in stages()]

    assert len(names) == len(set(names))


def test_stages_survive_the_file_that_kwok_reads() -> None:
    assert list(yaml.safe_load_all(yaml.safe_dump_all(stages()))) == stages()


def test_templates_open_what_they_close() -> None:
    for stage in stages():
        for step in stage["spec"]["steps"]:
            for part in step.values():
                template = part["template"] if isinstance(part, dict) else ""
                opened = sum(template.count(f"{{{{ {word} ") for word in ("if", "range", "with"))
                assert template.count("{{ end }}") == opened, stage["metadata"]["name"]


def test_a_pod_is_left_alone_once_it_is_being_deleted() -> None:
    for stage in stages():
        if stage["spec"]["resourceRef"]["kind"] == "Pod":
            asked = {
                expression["jq"]["operator"]
                for expression in stage["spec"]["selector"]["matchExpressions"]
                if expression["jq"]["key"] == ".metadata.deletionTimestamp"
            }
            deletes = stage["metadata"]["name"] == "pod-deleted"
            assert asked == ({"Exists"} if deletes else {"DoesNotExist"})


def test_an_eviction_is_a_disruption() -> None:
    assert "type: DisruptionTarget" in pod_status.evicted()
    assert "type: DisruptionTarget" not in pod_status.ended("Error", 1)
