"""What the services' chart makes of its values, before any cluster sees it."""

import asyncio
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml

from nexus_core import __version__
from nexus_core.settings.loader import load
from nexus_core.settings.sections import Listen, ServiceSettings
from nexus_core.settings.values import Duration
from nexus_receiver.settings import ReceiverSettings
from nexus_scheduler.settings import SchedulerSettings
from nexus_supervisor.settings import SupervisorSettings
from support.chart_values import EVERYTHING, OWN, STORES
from support.charts import (
    DEFINITIONS,
    NEXUS,
    PRESETS,
    Helm,
    Object,
    RefusedByHelmError,
    merged,
    of_kind,
    pods_of,
)

pytestmark = pytest.mark.integration

ALERTS = Path("deploy/observability/alerts.yaml").read_text("utf-8")
DASHBOARDS = sorted(Path("deploy/observability/dashboards").glob("*.json"))
HOW_TO = Path("docs/how-to/helm.md").read_text("utf-8")
SHOWN = [yaml.safe_load(one) for one in re.findall(r"```yaml\n(.*?)```", HOW_TO, re.DOTALL)]
RBAC = sorted(Path("deploy/rbac").glob("*.yaml"))

SETTINGS: dict[str, type[ServiceSettings]] = {
    "nexus-scheduler": SchedulerSettings,
    "nexus-receiver": ReceiverSettings,
    "nexus-supervisor": SupervisorSettings,
    "nexus-schema": ServiceSettings,
}

EACH_PRESET = pytest.mark.parametrize("preset", PRESETS)


async def test_the_chart_is_of_this_release() -> None:
    for chart in (NEXUS, DEFINITIONS):
        about = yaml.safe_load((chart / "Chart.yaml").read_text("utf-8"))
        assert (about["version"], about["appVersion"]) == (__version__, __version__)


@EACH_PRESET
async def test_a_preset_is_sound(offline_helm: Helm, preset: str, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(yaml.safe_dump(OWN[preset]))

    await offline_helm("lint", "--strict", NEXUS, "-f", PRESETS[preset], "-f", own)


@pytest.mark.parametrize(
    ("preset", "services", "roles"),
    [
        (
            "single-cluster",
            {"nexus-scheduler", "nexus-receiver", "nexus-supervisor"},
            {"nexus-scheduler-catalogue", "nexus-scheduler-runs", "nexus-supervisor-runs"},
        ),
        ("controller", {"nexus-scheduler"}, {"nexus-scheduler-catalogue"}),
        (
            "shard",
            {"nexus-receiver", "nexus-supervisor"},
            {"nexus-supervisor-runs", "nexus-controller-runs"},
        ),
    ],
)
async def test_a_preset_runs_what_its_place_needs(
    offline_helm: Helm, preset: str, services: set[str], roles: set[str]
) -> None:
    objects = await offline_helm.render(OWN[preset], presets=[preset])

    assert of_kind(objects, "Deployment").keys() == services
    assert of_kind(objects, "Service").keys() == services
    assert of_kind(objects, "PodDisruptionBudget").keys() == services
    assert of_kind(objects, "NetworkPolicy").keys() == services
    assert of_kind(objects, "Role").keys() == roles


async def test_the_values_that_the_how_to_shows_are_enough(offline_helm: Helm) -> None:
    objects = await offline_helm.render(SHOWN[0], presets=["single-cluster"])

    # Its commands make the secrets that pods name.
    made = set(re.findall(r"create secret generic (\S+)", HOW_TO))
    named = set(re.findall(r"'secretKeyRef': \{'name': '(\S+?)'", str(objects)))
    assert named == made
    for service in SETTINGS:
        assert settings_of(objects, service)


async def test_those_for_ipv6_have_services_listen_and_be_called_there(offline_helm: Helm) -> None:
    values = merged(STORES, SHOWN[1])
    objects = await offline_helm.render(values, presets=["single-cluster"])

    scheduler = settings_of(objects, "nexus-scheduler")
    assert scheduler.listen == Listen(host="::", port=8080)
    assert scheduler.callback_url == "http://[10.0.0.7]:8080"


def nothing_where_nothing_is_said(values: dict[str, Any]) -> dict[str, Any]:
    return {
        key: nothing_where_nothing_is_said(value) if value else None
        for key, value in values.items()
        if value in ("", [], {}) or isinstance(value, dict)
    }


async def test_a_key_with_nothing_behind_it_is_as_if_it_were_not_there(offline_helm: Helm) -> None:
    nothing = nothing_where_nothing_is_said(yaml.safe_load((NEXUS / "values.yaml").read_text()))
    assert nothing["scheduler"]["podLabels"] is None
    own = {**STORES, "cluster": {"name": "main"}}

    assert await offline_helm.render(merged(nothing, own)) == await offline_helm.render(own)


@pytest.mark.parametrize("service", ["scheduler", "receiver", "supervisor"])
async def test_each_service_can_be_left_out(offline_helm: Helm, service: str) -> None:
    urls = {"scheduler": "http://s.test", "receiver": "http://r.test"}
    values = {**EVERYTHING, "urls": urls, service: {"enabled": False}}
    objects = await offline_helm.render(values)

    others = {"scheduler", "receiver", "supervisor"} - {service}
    assert of_kind(objects, "Deployment").keys() == {f"nexus-{other}" for other in others}
    left = {
        one["metadata"]["name"]
        for one in objects
        if one["metadata"]["labels"]["app.kubernetes.io/component"] == service
    }
    assert left == set()


async def test_services_understand_the_settings_that_they_are_given(offline_helm: Helm) -> None:
    objects = await offline_helm.render(EVERYTHING)

    scheduler = settings_of(objects, "nexus-scheduler")
    receiver = settings_of(objects, "nexus-receiver")
    supervisor = settings_of(objects, "nexus-supervisor")
    schema = settings_of(objects, "nexus-schema")
    assert isinstance(scheduler, SchedulerSettings)
    assert isinstance(supervisor, SupervisorSettings)
    assert (scheduler.log_level, receiver.log_level) == ("debug", "debug")
    # What is said of one service wins over what is said of all.
    assert scheduler.s3_buffer.buffer_config.workers == 30
    assert supervisor.s3_buffer.buffer_config.workers == 20
    assert scheduler.lease_duration == Duration(20)
    assert supervisor.sweep.interval == Duration(5)
    assert (scheduler.runtime_namespace, scheduler.deploy_namespace) == ("runs", "templates")
    assert scheduler.callback_url == "http://10.0.0.7:8080"
    assert scheduler.api_tokens
    # Algorithms have no token to report with.
    assert not receiver.api_tokens
    for settings in (scheduler, receiver, supervisor, schema):
        store = settings.scylla_cql_store
        assert (store.user, store.password) == ("cassandra/user", "cassandra/password")
        assert store.key_path == "/etc/nexus/cassandra/tls.key"
    for settings in (scheduler, receiver, supervisor):
        assert settings.callback.secret == "nexus-keys/callback-secret"
        assert settings.signing.secret == "nexus-keys/signing-secret"
        assert settings.s3_buffer.secret_access_key == "s3/secret-access-key"
        assert settings.s3_buffer.ca_file == "/etc/nexus/s3/ca.crt"


@pytest.mark.parametrize(
    "cassandra",
    [
        {"type": "astra", "hosts": [], "existingSecret": "astra"},
        {"type": "keyspaces", "region": "eu-central-1", "existingSecret": ""},
        {"type": "keyspaces", "region": "eu-central-1", "tls": {"existingSecret": "amazon-ca"}},
    ],
)
async def test_they_understand_those_of_each_kind_of_store(
    offline_helm: Helm, cassandra: dict[str, Any]
) -> None:
    values = {**EVERYTHING, "cassandra": {**STORES["cassandra"], **cassandra}}
    objects = await offline_helm.render(values)

    for service in SETTINGS:
        settings = settings_of(objects, service)
        assert settings.cql_store_type == cassandra["type"]
        if cassandra["type"] == "astra":
            bundle = settings.astra_cql_store.secure_connection_bundle_base64
            assert bundle == "astra/secure-connection-bundle"
        else:
            assert settings.keyspaces_cql_store.use_irsa == (not of_secret(cassandra))


def of_secret(cassandra: dict[str, Any]) -> bool:
    return bool({**STORES["cassandra"], **cassandra}["existingSecret"])


@EACH_PRESET
async def test_every_file_that_settings_name_is_mounted(offline_helm: Helm, preset: str) -> None:
    values = merged(EVERYTHING, OWN[preset])
    objects = await offline_helm.render(values, presets=[preset])

    for name, pod in pods_of(objects).items():
        (container,) = pod["containers"]
        mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        assert set(mounts.values()) == {volume["name"] for volume in pod["volumes"]}
        (text,) = of_kind(objects, "ConfigMap")[name.removesuffix("-after")]["data"].values()
        named = re.findall(r"/(?:etc/nexus|var/run)/[^\s\"]+", text) + container["args"]
        for path in named:
            if path.startswith("/"):
                assert any(path == mount or path.startswith(f"{mount}/") for mount in mounts), path


async def test_a_pod_has_no_token_that_it_does_not_need(offline_helm: Helm) -> None:
    holders = {}
    for preset in PRESETS:
        objects = await offline_helm.render(OWN[preset], presets=[preset])
        for name, pod in pods_of(objects).items():
            assert pod["automountServiceAccountToken"] is False
            holders[preset, name] = "service-account" in {one["name"] for one in pod["volumes"]}

    assert {pod for pod, holds in holders.items() if holds} == {
        ("single-cluster", "nexus-scheduler"),
        ("single-cluster", "nexus-supervisor"),
        ("controller", "nexus-scheduler"),
        ("shard", "nexus-supervisor"),
    }


@pytest.mark.parametrize("release", ["my.nexus", "eu-1.science", "a" * 25 + "." + "b" * 27])
async def test_any_name_that_a_release_may_have_makes_names_of_services(
    offline_helm: Helm, release: str
) -> None:
    objects = await offline_helm.render(STORES, presets=["single-cluster"], release=release)

    # By RFC 1035, which Kubernetes has asked of Services for long.
    for kind in ("Service", "Deployment", "Job"):
        for name in of_kind(objects, kind):
            assert re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", name)
            assert "nexus" in name or len(release) > 48


async def test_a_release_whose_name_begins_with_a_digit_is_to_be_named(offline_helm: Helm) -> None:
    with pytest.raises(RefusedByHelmError, match="fullnameOverride must be said"):
        await offline_helm.render(STORES, presets=["single-cluster"], release="1-nexus")

    named = {**STORES, "fullnameOverride": "first-nexus"}
    objects = await offline_helm.render(named, presets=["single-cluster"], release="1-nexus")
    assert "first-nexus-scheduler" in of_kind(objects, "Service")


async def test_no_secret_is_optional(offline_helm: Helm) -> None:
    # So a pod without it is not started, and Kubernetes says for want of what.
    objects = await offline_helm.render(EVERYTHING)

    assert str(objects).count("secretKeyRef") > 10
    assert "'optional'" not in str(objects)


@EACH_PRESET
async def test_pods_are_hardened(offline_helm: Helm, preset: str) -> None:
    objects = await offline_helm.render(OWN[preset], presets=[preset])

    for pod in pods_of(objects).values():
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert isinstance(pod["securityContext"]["runAsUser"], int)
        for container in pod["containers"]:
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"] is True
            assert security["allowPrivilegeEscalation"] is False
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]
    for name, deployment in of_kind(objects, "Deployment").items():
        pod = deployment["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        paths = [container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("liveness", "readiness")]
        assert paths == ["/livez", "/readyz"]
        settings = settings_of(objects, name)
        assert pod["terminationGracePeriodSeconds"] > (
            settings.unready_grace + settings.drain_timeout
        )


async def test_pods_are_spread_over_the_nodes_that_take_them(offline_helm: Helm) -> None:
    objects = await offline_helm.render(OWN["controller"], presets=["controller"])

    nodes, zones = pods_of(objects)["nexus-scheduler"]["topologySpreadConstraints"]
    assert (nodes["whenUnsatisfiable"], zones["whenUnsatisfiable"]) == (
        "DoNotSchedule",
        "ScheduleAnyway",
    )
    # Beside nodes of the control plane, which get none, all others would get one and no more.
    assert (nodes["nodeTaintsPolicy"], zones["nodeTaintsPolicy"]) == ("Honor", "Honor")


async def test_rights_are_those_of_deploy_rbac(offline_helm: Helm) -> None:
    documents = [one for file in RBAC for one in yaml.safe_load_all(file.read_text("utf-8"))]
    expected = {name: role["rules"] for name, role in of_kind(documents, "Role").items()}
    values = {**EVERYTHING, "runtimeNamespace": "nexus-runs", "templatesNamespace": "nexus"}

    objects = await offline_helm.render(values)

    assert {one["kind"] for one in objects} & {"ClusterRole", "ClusterRoleBinding"} == set()
    roles = of_kind(objects, "Role")
    # A scheduler elsewhere does what one here does.
    expected["nexus-controller-runs"] = expected["nexus-scheduler-runs"]
    assert {name: role["rules"] for name, role in roles.items()} == expected
    places = {name: role["metadata"]["namespace"] for name, role in roles.items()}
    assert places.pop("nexus-scheduler-catalogue") == "nexus"
    assert set(places.values()) == {"nexus-runs"}
    bindings = of_kind(objects, "RoleBinding")
    for name, binding in bindings.items():
        assert binding["roleRef"]["name"] == name
        (subject,) = binding["subjects"]
        assert subject["name"] in of_kind(objects, "ServiceAccount")
        assert name.startswith(subject["name"])
    assert bindings.keys() == roles.keys()


async def test_selectors_are_the_same_in_all_versions_and_whatever_is_said(
    offline_helm: Helm, tmp_path: Path
) -> None:
    later = shutil.copytree(NEXUS, tmp_path / "nexus")
    about = later / "Chart.yaml"
    about.write_text(about.read_text("utf-8").replace("0.1.0", "9.8.7"))
    fixed = {
        f"nexus-{service}": {
            "app.kubernetes.io/name": "nexus",
            "app.kubernetes.io/instance": "nexus",
            "app.kubernetes.io/component": service,
        }
        for service in ("scheduler", "receiver", "supervisor")
    }
    pod_labels = {"podLabels": {"app.kubernetes.io/component": "mine", "team": "science"}}
    others = merged(EVERYTHING, {"scheduler": pod_labels, "image": {"tag": "9.8.7"}})

    for objects in await asyncio.gather(
        offline_helm.render(STORES, presets=["single-cluster"]),
        offline_helm.render(others, chart=later),
    ):
        deployments = of_kind(objects, "Deployment")
        assert selectors(deployments.values()) == fixed
        for name, deployment in deployments.items():
            labels = deployment["spec"]["template"]["metadata"]["labels"]
            assert labels.items() >= fixed[name].items()
        services = of_kind(objects, "Service").values()
        assert {one["metadata"]["name"]: one["spec"]["selector"] for one in services} == fixed
        assert selectors(of_kind(objects, "PodDisruptionBudget").values()) == fixed
    versions = {one["metadata"]["labels"]["app.kubernetes.io/version"] for one in objects}
    assert versions == {"9.8.7"}


def selectors(objects: Any) -> dict[str, Any]:
    return {one["metadata"]["name"]: one["spec"]["selector"]["matchLabels"] for one in objects}


async def test_other_settings_are_other_pods(offline_helm: Helm) -> None:
    before = await offline_helm.render(STORES, presets=["single-cluster"])
    after = await offline_helm.render(
        {**STORES, "receiver": {"settings": {"log-level": "debug"}}}, presets=["single-cluster"]
    )

    def templates(objects: list[Object]) -> dict[str, Any]:
        return {
            name: one["spec"]["template"] for name, one in of_kind(objects, "Deployment").items()
        }

    was, then = templates(before), templates(after)
    assert {name for name in was if was[name] != then[name]} == {"nexus-receiver"}


async def test_schedulers_scale_by_their_queues_and_by_cpu_where_nobody_tells_of_these(
    offline_helm: Helm,
) -> None:
    objects = await offline_helm.render(EVERYTHING)

    scalers = of_kind(objects, "HorizontalPodAutoscaler")
    queue, cpu = scalers["nexus-scheduler"]["spec"]["metrics"]
    assert queue["pods"]["metric"]["name"] == "nexus_scheduler_queued_runs"
    assert cpu["resource"]["name"] == "cpu"
    assert [one["type"] for one in scalers["nexus-receiver"]["spec"]["metrics"]] == ["Resource"]
    for name in scalers:
        deployment = of_kind(objects, "Deployment")[name]
        # Or each upgrade would undo what was scaled.
        assert "replicas" not in deployment["spec"]
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        assert container["resources"]["requests"]["cpu"]


async def test_prometheus_is_led_to_the_services_that_there_are(offline_helm: Helm) -> None:
    objects = await offline_helm.render(EVERYTHING)

    (monitor,) = of_kind(objects, "ServiceMonitor").values()
    labels = monitor["spec"]["selector"]["matchLabels"]
    (expression,) = monitor["spec"]["selector"]["matchExpressions"]
    (endpoint,) = monitor["spec"]["endpoints"]
    for service in of_kind(objects, "Service").values():
        assert service["metadata"]["labels"].items() >= labels.items()
        assert service["metadata"]["labels"][expression["key"]] in expression["values"]
        assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}


async def test_alerts_are_those_of_the_services_that_are_here(offline_helm: Helm) -> None:
    moved = ALERTS.replace("https://nexus.example.com/docs", "https://docs.test/nexus")
    groups = {group["name"]: group for group in yaml.safe_load(moved)["groups"]}
    for preset, elsewhere in {
        "single-cluster": set(),
        "controller": {"nexus-receiver", "nexus-supervisor"},
        "shard": {"nexus-scheduler"},
    }.items():
        values = merged(EVERYTHING, OWN[preset])

        objects = await offline_helm.render(values, presets=[preset])

        (rules,) = of_kind(objects, "PrometheusRule").values()
        expected = [group for name, group in groups.items() if name not in elsewhere]
        assert rules["spec"]["groups"] == expected


async def test_dashboards_are_those_of_deploy_observability(offline_helm: Helm) -> None:
    objects = await offline_helm.render(EVERYTHING)

    carriers = [
        one
        for one in of_kind(objects, "ConfigMap").values()
        if "grafana_dashboard" in one["metadata"]["labels"]
    ]
    found = {name: text for one in carriers for name, text in one["data"].items()}
    assert found == {f"nexus-{path.name}": path.read_text("utf-8") for path in DASHBOARDS}
    assert found


async def test_the_schema_is_applied_before_all_else_and_by_what_the_hook_brings_along(
    offline_helm: Helm,
) -> None:
    new = await offline_helm.render(EVERYTHING)
    upgraded = await offline_helm.render(EVERYTHING, more=["--is-upgrade"])

    made = "apply --config /etc/nexus/settings/nexus.yaml --create-keyspace --replication 3"
    assert arguments(new) == {"nexus-schema": made, "nexus-schema-after": f"{made} --phase post"}
    # Services of the release before go on meanwhile.
    assert arguments(upgraded)["nexus-schema"] == f"{made} --phase pre"
    in_use = merged(EVERYTHING, {"schema": {"keyspaceInUse": True}})
    beside = await offline_helm.render(in_use)
    assert arguments(beside)["nexus-schema"] == f"{made} --phase pre"
    hooks = [one for one in new if "helm.sh/hook" in one["metadata"].get("annotations", {})]
    job = of_kind(hooks, "Job")["nexus-schema"]
    pod = job["spec"]["template"]["spec"]
    brought = {(one["kind"], one["metadata"]["name"]) for one in hooks if weight(one) < weight(job)}
    assert brought == {
        ("ServiceAccount", pod["serviceAccountName"]),
        ("ConfigMap", pod["volumes"][0]["configMap"]["name"]),
        ("NetworkPolicy", "nexus-schema"),
    }


async def test_where_a_namespace_lets_nothing_out_each_pod_has_a_policy_that_does(
    offline_helm: Helm,
) -> None:
    objects = await offline_helm.render(EVERYTHING)

    policies = [one["spec"] for one in of_kind(objects, "NetworkPolicy").values()]
    for one in objects:
        if one["kind"] in {"Deployment", "Job"}:
            labels = one["spec"]["template"]["metadata"]["labels"]
            (own,) = [
                policy
                for policy in policies
                if labels.items() >= policy["podSelector"]["matchLabels"].items()
            ]
            assert own["policyTypes"] == ["Ingress", "Egress"]
            for rule in ({"port": 53, "protocol": "UDP"}, {"port": 9042}):
                assert any(rule in allowed["ports"] for allowed in own["egress"])


async def test_the_schema_is_applied_on_the_nodes_that_it_is_told(offline_helm: Helm) -> None:
    place = {
        "nodeSelector": {"pool": "nexus"},
        "tolerations": [{"key": "dedicated", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "priorityClassName": "high",
    }
    own = {"podAnnotations": {"sidecar": "false"}, "podLabels": {"sidecar": "false"}}
    values = merged(EVERYTHING, {"schema": {**place, **own}})

    objects = await offline_helm.render(values)

    jobs = of_kind(objects, "Job")
    assert jobs.keys() == {"nexus-schema", "nexus-schema-after"}
    for job in jobs.values():
        pod = job["spec"]["template"]
        assert pod["spec"].items() >= place.items()
        assert pod["metadata"]["annotations"] == own["podAnnotations"]
        assert pod["metadata"]["labels"].items() >= own["podLabels"].items()


def arguments(objects: list[Object]) -> dict[str, str]:
    jobs = of_kind(objects, "Job")
    pods = {name: job["spec"]["template"]["spec"] for name, job in jobs.items()}
    return {name: " ".join(pod["containers"][0]["args"]) for name, pod in pods.items()}


def weight(hook: Object) -> int:
    return int(hook["metadata"]["annotations"]["helm.sh/hook-weight"])


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"schduler": {}}, ["schduler"]),
        ({"scheduler": {"replicas": "two"}}, ["scheduler", "replicas", "integer"]),
        ({"cassandra": {"type": "mongo"}}, ["cassandra", "type", "astra"]),
        ({"cassandra": {"hosts": "one.test"}}, ["cassandra", "hosts", "array"]),
        ({"s3": {"path": "/var/payloads"}}, ["s3", "path"]),
        ({"settings": {"logLevel": "debug"}}, ["settings.logLevel: is no setting", "log-level"]),
        ({"runtimeNamespace": "No Such"}, ["runtimeNamespace"]),
        ({"cassandra": {"hosts": []}}, ["cassandra.hosts must name at least one host"]),
        ({"s3": {"path": ""}}, ["s3.path must name a bucket"]),
        ({"cluster": {"name": ""}}, ["cluster.name must say"]),
        ({"receiver": {"enabled": False}}, ["urls.receiver must be said"]),
        ({"cassandra": {"tls": {"keys": {"key": "tls.key"}}}}, ["certificate and key"]),
        (
            {"settings": {"callback": {"secret": "known to all"}}},
            ["settings.callback.secret", "callback.existingSecret"],
        ),
        # A pod would be killed after what its Deployment says, and asked for at another port.
        (
            {"scheduler": {"settings": {"drain-timeout": "120s"}}},
            ["scheduler.settings.drain-timeout is known to more", "use drainSeconds"],
        ),
        ({"settings": {"listen": {"port": 9090}}}, ["settings.listen.port is known to more"]),
        ({"settings": {"callback-url": "http://a.test"}}, ["use scheduler.callbackUrl"]),
        (
            {"scheduler": {"env": [{"name": "NEXUS__HOST_NAME", "value": "mine"}]}},
            ["scheduler.env: NEXUS__HOST_NAME is there already"],
        ),
        ({"settings": {"runtime-namespace": "runs"}}, ["use runtimeNamespace"]),
        (
            {"monitoring": {"serviceMonitor": {"enabled": True}}},
            ["networkPolicy.scrapers must say"],
        ),
        ({"networkPolicy": {"egress": {"enabled": True}}}, ["networkPolicy.egress.to must"]),
        (
            {"scheduler": {"autoscaling": {"enabled": True, "min": 9}}},
            ["scheduler.autoscaling.min must not be more than max"],
        ),
        ({"controllerAccess": {"token": True}}, ["controllerAccess.create"]),
    ],
    ids=lambda value: None if isinstance(value, dict) else value[0],
)
async def test_values_that_can_not_be_right_are_refused_by_name(
    offline_helm: Helm, values: dict[str, Any], says: list[str]
) -> None:
    with pytest.raises(RefusedByHelmError) as refused:
        await offline_helm.render(merged(STORES, values), presets=["single-cluster"])

    assert [word for word in says if word not in str(refused.value)] == [], refused.value


def settings_of(objects: list[Object], service: str) -> Any:
    """Return the settings of a service, by its own loader; a secret is called `<secret>/<key>`."""
    (container,) = pods_of(objects)[service]["containers"]
    (text,) = of_kind(objects, "ConfigMap")[service]["data"].values()
    with TemporaryDirectory() as folder:
        file = Path(folder) / "nexus.yaml"
        file.write_text(text)
        beside_others = service == "nexus-schema"
        environ = dict(variables(container))
        return load(SETTINGS[service], environ, file, beside_others=beside_others)


def variables(container: Object) -> Iterator[tuple[str, str]]:
    fields = {"status.podIP": "10.0.0.7", "metadata.name": "a-pod"}
    for variable in container.get("env", []):
        source = variable.get("valueFrom", {})
        if "secretKeyRef" in source:
            yield variable["name"], "{name}/{key}".format(**source["secretKeyRef"])
        elif "fieldRef" in source:
            yield variable["name"], fields[source["fieldRef"]["fieldPath"]]
        else:
            yield variable["name"], variable["value"].replace("$(POD_IP)", fields["status.podIP"])
