"""The chart of the custom resource definitions: `deploy/crds`, and nothing else."""

from typing import Any

import pytest
import yaml

from support.charts import DEFINITIONS, Helm
from support.custom_resources import DEFINITIONS as SOURCE
from support.custom_resources import Kubectl
from tools.testbed.description import KubernetesDescription

pytestmark = pytest.mark.integration


def the_source() -> list[dict[str, Any]]:
    return [yaml.safe_load(path.read_text("utf-8")) for path in sorted(SOURCE.glob("*.yaml"))]


async def test_the_chart_is_sound(offline_helm: Helm) -> None:
    await offline_helm("lint", "--strict", DEFINITIONS)


async def test_the_chart_has_the_definitions_as_they_are(offline_helm: Helm) -> None:
    assert await offline_helm.render({"keep": False}, chart=DEFINITIONS) == the_source()


async def test_definitions_outlive_the_release_unless_told_otherwise(offline_helm: Helm) -> None:
    objects = await offline_helm.render({"annotations": {"team": "science"}}, chart=DEFINITIONS)

    kept = {"helm.sh/resource-policy": "keep", "team": "science"}
    assert [one["metadata"].pop("annotations") for one in objects] == [kept] * 2
    assert objects == the_source()


async def test_a_package_has_them_too(offline_helm: Helm, tmp_path: Any) -> None:
    await offline_helm("package", DEFINITIONS, f"--destination={tmp_path}")
    (package,) = tmp_path.glob("*.tgz")

    assert await offline_helm.render({"keep": False}, chart=package) == the_source()


async def test_an_api_server_takes_what_is_rendered(
    offline_helm: Helm, kubernetes_server: KubernetesDescription
) -> None:
    printed = await offline_helm("template", "nexus-crds", DEFINITIONS)

    # Not applied for good: definitions are the cluster's, and others use them.
    apply = ("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-")
    said = await Kubectl.of(kubernetes_server)(*apply, fed=printed)

    assert said.count("serverside-applied") == 2
