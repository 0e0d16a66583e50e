"""The custom resource definitions in a real API server."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from nexus_core.domain.manifests import KINDS, read_manifest
from nexus_core.domain.template import TEMPLATE_KIND, WORKGROUP_KIND
from support.custom_resources import Kubectl, Resources, told
from support.examples import EXAMPLES
from support.manifests import a_manifest, a_template_manifest, a_workgroup_manifest
from support.mistakes import A_WORKGROUP, EVERYTHING, MISTAKES, TOLD_BY_THE_CATALOGUE, Mistake

pytestmark = pytest.mark.integration

GO_RESOURCES = list(yaml.safe_load_all(Path(__file__).with_name("go_resources.yaml").read_text()))
READ = [yaml.safe_load(path.read_text()) for path in sorted(EXAMPLES.rglob("*.yaml"))]
IN_EXAMPLES = [document for document in READ if document["kind"] in KINDS]


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(one) for key, one in value.items() if one is not None}
    return value


@pytest.mark.parametrize("manifest", GO_RESOURCES, ids=lambda one: one["metadata"]["name"])
async def test_what_go_writes_is_taken_and_stays_as_it_is(
    resources: Resources, manifest: dict[str, Any]
) -> None:
    stored = await resources.create(manifest)

    assert stored["spec"] == without_nulls(manifest["spec"])
    assert read_manifest(stored).problems == ()


async def test_the_examples_are_taken(resources: Resources) -> None:
    for manifest in IN_EXAMPLES:
        stored = await resources.create(manifest)
        assert stored["spec"] == manifest["spec"]


@pytest.mark.parametrize(
    ("kind", "spec"), [(TEMPLATE_KIND, EVERYTHING), (WORKGROUP_KIND, A_WORKGROUP)]
)
async def test_what_uses_every_field_is_taken_and_stays_as_it_is(
    resources: Resources, kind: str, spec: dict[str, Any]
) -> None:
    stored = await resources.create(a_manifest(kind, "everything", spec))

    assert stored["spec"] == spec


async def test_each_mistake_is_refused_in_words_that_say_what_it_may_be(
    resources: Resources,
) -> None:
    # In one test: a namespace for each would take longer than all of them.
    wrong = {}
    for mistake in MISTAKES:
        said = await refusal(resources, mistake)
        if expected(mistake) not in said:
            wrong[mistake] = said

    assert wrong == {}


async def refusal(resources: Resources, mistake: Mistake) -> str:
    answer = await resources.try_to_create(mistake.manifest("mistaken"), dryRun="All")
    return "" if answer.ok else answer.refusal().message


def expected(mistake: Mistake) -> str:
    if mistake.words:
        return mistake.words
    problem, *_ = read_manifest(mistake.manifest("mistaken")).problems
    return problem.message.partition("; got")[0]


@pytest.mark.parametrize("mistake", TOLD_BY_THE_CATALOGUE, ids=lambda one: one.path)
async def test_what_rules_can_not_say_is_left_to_the_catalogue(
    resources: Resources, mistake: Mistake
) -> None:
    manifest = mistake.manifest("mistaken")

    told(await resources.try_to_create(manifest, dryRun="All"))

    assert read_manifest(manifest).problems != ()


@pytest.mark.parametrize(
    "manifest", [a_template_manifest("x" * 64), a_workgroup_manifest("x" * 64)]
)
async def test_a_name_fits_into_a_label(resources: Resources, manifest: dict[str, Any]) -> None:
    answer = await resources.try_to_create(manifest)

    assert "must be a lower-case DNS name of at most 63 characters" in answer.refusal().message


async def test_a_field_that_is_not_known_is_refused_by_kubectl_and_dropped_for_programs(
    resources: Resources,
) -> None:
    manifest = a_template_manifest(comand="run")

    refused = await resources.try_to_create(manifest)
    stored = told(await resources.try_to_create(manifest, fieldValidation="Ignore"))

    assert 'unknown field "spec.comand"' in refused.refusal().message
    assert "comand" not in stored["spec"]


async def test_a_core_field_that_is_not_known_here_reaches_the_catalogue(
    resources: Resources,
) -> None:
    variable = {"name": "N", "valueFrom": {"someNewSource": {"name": "x"}}}
    manifest = a_template_manifest(runtimeEnvironment={"environmentVariables": [variable]})

    stored = await resources.create(manifest)

    assert stored["spec"]["runtimeEnvironment"]["environmentVariables"] == [variable]


async def test_kubectl_shows_the_columns_under_the_short_names(
    resources: Resources, kubectl: Kubectl
) -> None:
    await resources.create(a_template_manifest())
    await resources.create(a_workgroup_manifest(cluster="shard-0"))

    def words(table: str) -> list[list[str]]:
        return [line.split() for line in table.splitlines()]

    templates = words(await kubectl("get", "nat", "-n", resources.namespace))
    workgroups = words(await kubectl("get", "naw", "-n", resources.namespace))
    both = await kubectl("get", "nexus", "-n", resources.namespace, "-o", "name")

    assert templates[0] == ["NAME", "IMAGE", "VERSION", "WORKGROUP", "ACCEPTED", "AGE"]
    assert templates[1][:4] == ["hello-world", "hello", "1.0", "default"]
    assert workgroups[0] == ["NAME", "CLUSTER", "ACCEPTED", "AGE"]
    assert workgroups[1][:2] == ["default", "shard-0"]
    assert len(both.split()) == 2


async def test_kubectl_explains_a_field_in_our_words(
    resources: Resources, kubectl: Kubectl
) -> None:
    explained = await kubectl("explain", "nat.spec.container.image")

    assert "The image's name below its registry" in explained
    assert await kubectl("get", "naw", "-n", resources.namespace) == ""
