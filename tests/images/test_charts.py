"""The images hold what the charts say of them: each rendered pod is started as a container.

With its command, arguments, variables, files, user and rights; what it should reach is not there.
"""

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import trustme

from support.chart_values import OWN
from support.charts import Helm, Object, merged, of_kind, pods_of
from support.containers import PORTS, Container, Containers
from tools.testbed.engine.client import Docker

pytestmark = pytest.mark.engine

SERVICES = ("scheduler", "receiver", "supervisor")
SCHEMA_IS_UNREACHABLE = 3


class Rendered:
    """A release of one cluster, as its objects say."""

    def __init__(self, objects: list[Object]) -> None:
        self.pods = pods_of(objects)
        self.config_maps = of_kind(objects, "ConfigMap")


@pytest.fixture
async def release(offline_helm: Helm) -> Rendered:
    own = OWN["single-cluster"]
    values = merged(own, {"cluster": {"name": "eu-1"}, "s3": {"endpoint": "http://s3.test"}})
    return Rendered(await offline_helm.render(values, presets=["single-cluster"]))


@pytest.fixture
def token(tmp_path: Path) -> Path:
    """What a service account's volume holds; it opens nothing."""
    folder = tmp_path / "service-account"
    folder.mkdir()
    (folder / "token").write_text("of nobody")
    trustme.CA().cert_pem.write_to_path(str(folder / "ca.crt"))
    return folder


@pytest.mark.parametrize("service", SERVICES)
async def test_a_rendered_service_lives_and_says_what_it_misses(
    service: str,
    release: Rendered,
    token: Path,
    containers: Containers,
    session: aiohttp.ClientSession,
    tmp_path: Path,
) -> None:
    pod = release.pods[f"nexus-{service}"]
    (spec,) = pod["containers"]
    container = await _started(pod, release, {"service-account": token}, containers, tmp_path)

    port = spec["ports"][0]["containerPort"]
    assert port == PORTS[service]
    for probe in ("startupProbe", "livenessProbe"):
        await container.answers(session, port, spec[probe]["httpGet"]["path"])
    ready = spec["readinessProbe"]["httpGet"]["path"]
    said = msgspec.json.decode(await container.answers(session, port, ready, 503))
    assert "cassandra.test" in said["parts"]["checkpoint-store"]["reason"]
    assert await container.stop() == 0


@pytest.mark.parametrize("service", SERVICES)
async def test_a_rendered_service_hears_a_signal_before_python_does(
    service: str, release: Rendered, token: Path, containers: Containers, tmp_path: Path
) -> None:
    pod, volumes = release.pods[f"nexus-{service}"], {"service-account": token}
    # Python starts for seconds then.
    slow = ("--cpus=0.05",)
    container = await _started(pod, release, volumes, containers, tmp_path, options=slow)
    await container.hears()

    assert await container.stop() == 128 + signal.SIGTERM


async def test_the_rendered_job_of_the_schema_is_in_the_schedulers_image(
    release: Rendered, containers: Containers, tmp_path: Path
) -> None:
    (name,) = (name for name in release.pods if "schema" in name)
    pod = release.pods[name]
    container = await _started(pod, release, {}, containers, tmp_path, "--wait=1s")

    assert await container.ends() == SCHEMA_IS_UNREACHABLE
    assert "cassandra.test" in (await container.printed()).errors


async def test_rendered_pods_name_images_that_are_built_and_run_as_their_user(
    release: Rendered, docker: Docker, images: Mapping[str, str]
) -> None:
    built = {name.rpartition("/")[2].partition(":")[0] for name in images.values()}
    for pod in release.pods.values():
        (spec,) = pod["containers"]
        name, _, _ = spec["image"].partition(":")
        user, group = (pod["securityContext"][key] for key in ("runAsUser", "runAsGroup"))

        assert name in built
        said = await docker(
            "image", "inspect", "--format={{.Config.User}}", images[name.removeprefix("nexus-")]
        )
        assert said == f"{user}:{group}"


async def _started(
    pod: Object,
    release: Rendered,
    volumes: Mapping[str, Path],
    containers: Containers,
    folder: Path,
    *more: str,
    options: tuple[str, ...] = (),
) -> Container:
    """Start a container as a kubelet would."""
    (spec,) = pod["containers"]
    service = spec["image"].partition(":")[0].removeprefix("nexus-")
    sources = {volume["name"]: volume for volume in pod["volumes"]}
    as_said = [f"--entrypoint={command}" for command in spec.get("command", [])]
    as_said += [*_rights(pod, spec), *_environment(spec)]
    # Nobody is there.
    as_said += [f"--add-host={name}:127.0.0.1" for name in ("cassandra.test", "s3.test")]
    for mount in spec["volumeMounts"]:
        source, path = sources[mount["name"]], mount["mountPath"]
        if "emptyDir" in source:
            as_said.append(f"--tmpfs={path}:mode=1777")
            continue
        content = volumes.get(mount["name"]) or _files(
            release.config_maps[source["configMap"]["name"]], folder / mount["name"]
        )
        as_said.append(f"--volume={content}:{path}:ro")
    return await containers.start(service, *as_said, *options, command=(*spec["args"], *more))


def _rights(pod: Object, spec: Object) -> list[str]:
    own, all_of_it = spec["securityContext"], pod["securityContext"]
    assert own["readOnlyRootFilesystem"]
    assert not own["allowPrivilegeEscalation"]
    return [
        "--read-only",
        "--security-opt=no-new-privileges",
        *(f"--cap-drop={one}" for one in own["capabilities"]["drop"]),
        f"--user={all_of_it['runAsUser']}:{all_of_it['runAsGroup']}",
    ]


def _environment(spec: Object) -> list[str]:
    """Return variables; what secrets hold is made up, and the API server is where nobody is."""
    fields = {"status.podIP": "127.0.0.1", "metadata.name": "a-pod"}
    found: dict[str, Any] = {
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": "1",
    }
    for variable in spec.get("env", []):
        source = variable.get("valueFrom", {})
        if "fieldRef" in source:
            value = fields[source["fieldRef"]["fieldPath"]]
        elif "secretKeyRef" in source:
            value = f"the {source['secretKeyRef']['key']}"
        else:
            value = variable["value"].replace("$(POD_IP)", fields["status.podIP"])
        found[variable["name"]] = value
    return [f"--env={name}={value}" for name, value in found.items()]


def _files(config_map: Object, folder: Path) -> Path:
    folder.mkdir()
    for name, text in config_map["data"].items():
        (folder / name).write_text(text)
    return folder
