"""A catalogue whose API server is away, or does not have what it asks for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from structlog.testing import capture_logs

from nexus_core.adapters.kubernetes.catalogue import KubernetesCatalogue
from nexus_core.adapters.kubernetes.watch import Pace
from nexus_core.aio.clock import SystemClock
from nexus_core.domain.errors import UnavailableError
from support.custom_resources import Kubectl, Resources, connected_by, own_namespace, told
from support.manifests import a_manifest, a_template_manifest, a_workgroup_manifest
from support.waiting import until, until_so
from support.wire import Wire, wire_to
from tools.testbed.description import KubernetesDescription
from tools.testbed.kubernetes.control_plane import ControlPlane

pytestmark = pytest.mark.integration

QUICK = Pace(first_pause=0.02, longest_pause=0.05)
# An API server that was killed is back after a few seconds.
PATIENCE = 30.0


@asynccontextmanager
async def opened(
    kubeconfig: str | Path, namespace: str, pace: Pace = QUICK
) -> AsyncIterator[KubernetesCatalogue]:
    async with (
        connected_by(kubeconfig) as connection,
        KubernetesCatalogue.open(
            connection, namespace, ["standalone"], SystemClock(), pace
        ) as catalogue,
    ):
        yield catalogue


def names(catalogue: KubernetesCatalogue) -> list[str]:
    return [template.name for template in catalogue.templates()]


async def why(catalogue: KubernetesCatalogue) -> str:
    """Return why the catalogue is not ready; empty when it is."""
    try:
        await catalogue.ping()
    except UnavailableError as error:
        return str(error)
    return ""


async def ready(catalogue: KubernetesCatalogue) -> None:
    async def answers() -> bool:
        return await why(catalogue) == ""

    await until_so(answers, PATIENCE)


# A wire that can be cut, to the server that all tests share.


@pytest.fixture
async def wire(kubernetes_server: KubernetesDescription) -> AsyncIterator[Wire]:
    async with wire_to(int(kubernetes_server.endpoint.rpartition(":")[2])) as wire:
        yield wire


@pytest.fixture
def kubeconfig(kubernetes_server: KubernetesDescription, wire: Wire, tmp_path: Path) -> Path:
    """Leads along the wire."""
    content = yaml.safe_load(Path(kubernetes_server.kubeconfig).read_text("utf-8"))
    for cluster in content["clusters"]:
        cluster["cluster"]["server"] = f"https://127.0.0.1:{wire.port}"
    path = tmp_path / "by-wire.kubeconfig"
    path.write_text(yaml.safe_dump(content), "utf-8")
    return path


async def test_answers_as_it_last_knew_and_learns_what_it_missed(
    resources: Resources, wire: Wire, kubeconfig: Path
) -> None:
    for name in ("changed", "deleted", "made-unsound"):
        await resources.create(a_template_manifest(name))
    await resources.create(a_workgroup_manifest())
    async with opened(kubeconfig, resources.namespace) as catalogue:
        wire.cut()
        await resources.change(a_template_manifest("changed"), command="new")
        await resources.change(
            a_template_manifest("made-unsound"), computeResources={"limits": {"memory": "9Ei"}}
        )
        await resources.delete(a_template_manifest("deleted"))
        await resources.create(a_template_manifest("added"))
        assert names(catalogue) == ["changed", "deleted", "made-unsound"]
        assert await why(catalogue) == ""

        wire.mend()

        await until(lambda: names(catalogue) == ["added", "changed", "made-unsound"])
        changed = catalogue.template("changed")
        assert changed
        assert changed.spec.command == "new"
        unsound = catalogue.template("made-unsound")
        assert unsound
        assert unsound.spec.compute_resources
        assert unsound.spec.compute_resources.limits == {"cpu": "1", "memory": "128Mi"}


async def test_goes_on_after_each_of_many_cuts(
    resources: Resources, wire: Wire, kubeconfig: Path
) -> None:
    async with opened(kubeconfig, resources.namespace) as catalogue:
        for number in range(1, 6):
            wire.cut()
            await resources.create(a_template_manifest(f"t-{number}"))
            wire.mend()
            await until_so(lambda: has(catalogue, f"t-{number}"))  # noqa: B023 - awaited at once


async def test_opens_without_a_server_says_so_and_recovers(
    resources: Resources, wire: Wire, kubeconfig: Path
) -> None:
    await resources.create(a_template_manifest())
    wire.cut()
    with capture_logs() as logs:
        async with opened(kubeconfig, resources.namespace) as catalogue:
            assert names(catalogue) == []
            assert catalogue.age() is None
            with pytest.raises(UnavailableError, match=f"127.0.0.1:{wire.port}"):
                catalogue.template("hello-world")
            assert f"kubeconfig {kubeconfig}: API server https://127.0.0.1" in await why(catalogue)

            wire.mend()

            await ready(catalogue)
            assert catalogue.template("hello-world")
            assert catalogue.workgroup("default") is None
            assert catalogue.age() is not None
    (line,) = [line for line in logs if line["event"] == "catalogue not read"]
    assert str(kubeconfig) in line["error"]


async def test_says_which_rights_it_needs(
    resources: Resources, kubernetes_server: KubernetesDescription
) -> None:
    async with opened(kubernetes_server.denied_kubeconfig, resources.namespace) as catalogue:
        assert (
            "needs the rights list and watch on "
            "nexusalgorithmtemplates.science.sneaksanddata.com "
            f"in namespace '{resources.namespace}': "
        ) in await why(catalogue)
        with pytest.raises(UnavailableError, match="is forbidden"):
            catalogue.workgroup("default")


async def test_says_that_credentials_are_not_accepted(
    resources: Resources, kubernetes_server: KubernetesDescription
) -> None:
    async with opened(kubernetes_server.expired_kubeconfig, resources.namespace) as catalogue:
        assert str(kubernetes_server.expired_kubeconfig) in await why(catalogue)


async def test_is_not_ready_when_nothing_at_all_can_be_used(
    resources: Resources, kubernetes_server: KubernetesDescription
) -> None:
    unsound = a_template_manifest(computeResources={"limits": {"memory": "9Ei"}})
    await resources.create(unsound)
    async with opened(kubernetes_server.kubeconfig, resources.namespace) as catalogue:
        assert "NexusAlgorithmTemplate/hello-world: spec.computeResources.limits.memory" in (
            await why(catalogue)
        )
        assert catalogue.template("hello-world") is None

        await resources.create(a_template_manifest("sound"))

        await ready(catalogue)


# A control plane of the test's own, which has no definitions yet.


@pytest.fixture
async def control_plane(
    kubernetes_server: KubernetesDescription,  # noqa: ARG001 - skips where there are no programs
    tmp_path: Path,
) -> AsyncIterator[ControlPlane]:
    plane = ControlPlane(tmp_path / "control-plane", durable=True)
    try:
        await plane.start()
        yield plane
    finally:
        await plane.stop()


def kubectl_of(server: KubernetesDescription, plane: ControlPlane) -> Kubectl:
    return Kubectl(server.kubectl, plane.kubeconfig)


# As far as a catalogue can tell, those of a later release of the Go implementation: no rules of
# ours, and fields that are not known here.
OLDER = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: nexusalgorithmKINDs.science.sneaksanddata.com}
spec:
  group: science.sneaksanddata.com
  names:
    kind: NexusAlgorithmTITLE
    listKind: NexusAlgorithmTITLEList
    plural: nexusalgorithmKINDs
    singular: nexusalgorithmKIND
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      subresources: {status: {}}
      schema:
        openAPIV3Schema:
          type: object
          x-kubernetes-preserve-unknown-fields: true
"""


async def test_without_definitions_says_what_to_apply_and_goes_on_once_they_are(
    kubernetes_server: KubernetesDescription, control_plane: ControlPlane
) -> None:
    kubectl = kubectl_of(kubernetes_server, control_plane)
    async with (
        connected_by(control_plane.kubeconfig) as connection,
        own_namespace(connection) as resources,
        opened(control_plane.kubeconfig, resources.namespace) as catalogue,
    ):
        assert await why(catalogue) == (
            f"kubeconfig {control_plane.kubeconfig}: has no definition of "
            "nexusalgorithmtemplates.science.sneaksanddata.com; kubectl apply -f deploy/crds"
        )

        await kubectl.install_definitions()
        await resources.create(a_template_manifest())

        await ready(catalogue)
        await until(lambda: names(catalogue) == ["hello-world"])


async def test_an_api_server_that_dies_and_comes_back_is_followed_on(
    kubernetes_server: KubernetesDescription, control_plane: ControlPlane
) -> None:
    await kubectl_of(kubernetes_server, control_plane).install_definitions()
    async with (
        connected_by(control_plane.kubeconfig) as connection,
        own_namespace(connection) as resources,
        opened(control_plane.kubeconfig, resources.namespace) as catalogue,
    ):
        await resources.create(a_template_manifest("before"))
        await until(lambda: names(catalogue) == ["before"])

        await control_plane.kill()
        assert names(catalogue) == ["before"]
        assert await why(catalogue) == ""
        await control_plane.start()

        await resources.create(a_template_manifest("after"))
        await until_so(lambda: has(catalogue, "after"), PATIENCE)
        assert names(catalogue) == ["after", "before"]


async def has(catalogue: KubernetesCatalogue, name: str) -> bool:
    return name in names(catalogue)


async def test_definitions_of_the_go_implementation_will_do_until_ours_are_applied(
    kubernetes_server: KubernetesDescription, control_plane: ControlPlane
) -> None:
    kubectl = kubectl_of(kubernetes_server, control_plane)
    for title in ("Template", "Workgroup"):
        older = OLDER.replace("TITLE", title).replace("KIND", title.lower())
        await kubectl("apply", "-f", "-", fed=older)
        name = f"crd/nexusalgorithm{title.lower()}s.science.sneaksanddata.com"
        await kubectl("wait", "--for=condition=Established", "--timeout=30s", name)
    async with (
        connected_by(control_plane.kubeconfig) as connection,
        own_namespace(connection) as resources,
        opened(control_plane.kubeconfig, resources.namespace) as catalogue,
    ):
        newer = a_template_manifest("newer", fieldOfALaterRelease=1)
        await resources.create(newer)
        await until(lambda: names(catalogue) == ["newer"])
        # Taken by those, refused by ours.
        mistaken = a_manifest(
            "NexusAlgorithmTemplate", "mistaken", {**newer["spec"], "args": ["--sas-uri"]}
        )
        await resources.create(mistaken)
        await condition_of(resources, newer, "no effect: spec.fieldOfALaterRelease")
        await condition_of(resources, mistaken, "spec.args[0]: must hold %s")

        await kubectl.install_definitions()

        # They drop the field; nobody else has changed anything.
        await resources.create(a_workgroup_manifest())
        await condition_of(resources, newer, "Runs go to workgroup 'default'")
        # What is stored and breaks a rule may be changed elsewhere, and not be broken anew.
        await resources.change(mistaken, command="another")
        refused = await resources.try_to_create(a_template_manifest("m", args=["--sas-uri"]))
        assert "must hold %s" in refused.refusal().message


async def condition_of(resources: Resources, manifest: dict[str, Any], words: str) -> None:
    """Wait until the condition of a resource has these words."""

    async def said() -> bool:
        path = resources.path(manifest)
        stored = told(await resources.connection.request("GET", path))
        return words in str(stored.get("status"))

    await until_so(said, PATIENCE)
