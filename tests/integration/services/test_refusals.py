"""What services say of servers that are not as they should be: one line that names the thing.

A setting that can't be right stops the start. Anything else stops nothing: the service says at
`/readyz` what it lacks, once in its log, and goes on when that is mended.
"""

import dataclasses
import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
import yaml

from nexus_core.adapters.cassandra.connect import DriverName, open_session
from nexus_core.adapters.cassandra.schema.steps import read_steps
from nexus_core.adapters.cassandra.schema.versions import TABLE
from support.cassandra import LIMITS, drop_keyspace, make_keyspace, plan_of
from support.custom_resources import Kubectl
from support.deployment import Servers
from support.kubeconfigs import a_kubeconfig
from support.release import THIS_RELEASE
from support.small_disk import SmallDisk
from support.watched_service import WatchedService, a_watched_service
from tools.testbed.kubernetes.control_plane import ControlPlane

pytestmark = pytest.mark.integration

Settings = dict[str, str]

# The one is said of what has a circuit, the other of what is asked by who wants to know.
_AWAY = {"circuit opened", "part is not ready"}

_CQL = "NEXUS__SCYLLA_CQL_STORE__"
_S3 = "NEXUS__S3_BUFFER__"
_FILE = "NEXUS__KUBE_CONFIG_PATH"
_SHARDS = "NEXUS__SHARD_KUBE_CONFIG_PATH"

# Nobody listens there, on any machine.
_NOBODY = "127.0.0.1:1"


class Ground(NamedTuple):
    """What a fault is made of."""

    servers: Servers
    folder: Path
    keyspaces: Mapping[str, str]
    """By what is wrong with them."""

    def shards(self, kubeconfig: str | Path) -> Settings:
        """Return what leads to one cluster, by a copy of a kubeconfig."""
        folder = self.folder / "shards"
        folder.mkdir()
        shutil.copy(kubeconfig, folder / "shard-0.kubeconfig")
        return {_SHARDS: str(folder)}

    def elsewhere(self) -> Path:
        """Return a kubeconfig of a cluster that is away."""
        return a_kubeconfig(self.folder / "away", f"https://{_NOBODY}", token="t")

    def stranger(self) -> Path:
        """Return a kubeconfig with a token that the server does not know."""
        tree = yaml.safe_load(Path(self.servers.kubernetes.kubeconfig).read_text())
        for user in tree["users"]:
            user["user"] = {"token": "hush"}
        file = self.folder / "stranger"
        file.write_text(yaml.safe_dump(tree))
        return file


class Fault(NamedTuple):
    """Something that is wrong, and what is to be said of it."""

    part: str
    words: Sequence[str]
    settings: Callable[[Ground], Settings]
    beside: Mapping[str, Sequence[str]] = {}
    """What is said of other parts for the same reason."""


def _cassandra(words: Sequence[str], make: Callable[[Ground], Settings]) -> Fault:
    return Fault("checkpoint-store", words, make)


def _bucket(words: Sequence[str], **settings: str) -> Fault:
    return Fault("payload-store", words, lambda _: _s3_settings(settings))


def _s3_settings(settings: Mapping[str, str]) -> Settings:
    return {_S3 + name.upper(): value for name, value in settings.items()}


def _denied_user(ground: Ground) -> Settings:
    s3 = ground.servers.s3
    return {
        f"{_S3}ACCESS_KEY_ID": s3.denied_access_key_id,
        f"{_S3}SECRET_ACCESS_KEY": s3.denied_secret_access_key,
    }


def _expired_certificate(ground: Ground) -> Settings:
    cassandra = ground.servers.cassandra
    return {
        f"{_CQL}PORT": str(cassandra.tls_port),
        f"{_CQL}CA_PATH": cassandra.ca,
        f"{_CQL}CERTIFICATE_PATH": cassandra.expired_certificate,
        f"{_CQL}KEY_PATH": cassandra.expired_key,
    }


def _reader(ground: Ground) -> Settings:
    cassandra = ground.servers.cassandra
    return {
        f"{_CQL}USER": cassandra.reader_user,
        f"{_CQL}PASSWORD": cassandra.reader_password,
    }


FAULTS = {
    "wrong keyspace": _cassandra(
        ["has no keyspace 'nowhere'", "nexus-schema apply"],
        lambda _: {f"{_CQL}KEYSPACE": "nowhere"},
    ),
    "old schema": _cassandra(
        ["step 0001_initial/pre is missing", "run `nexus-schema apply`"],
        lambda ground: {f"{_CQL}KEYSPACE": ground.keyspaces["old"]},
    ),
    "missing table": _cassandra(
        ["table checkpoints is missing"],
        lambda ground: {f"{_CQL}KEYSPACE": ground.keyspaces["bare"]},
    ),
    "newer schema": _cassandra(
        ["9999_future/post is of a newer release"],
        lambda ground: {f"{_CQL}KEYSPACE": ground.keyspaces["newer"]},
    ),
    "wrong password": _cassandra(
        ["refuses to let user", "wrong password"], lambda _: {f"{_CQL}PASSWORD": "wrong"}
    ),
    "user without rights": _cassandra(["reader", "permission"], _reader),
    "expired certificate": _cassandra(
        ["refuses our certificate", "cassandra-expired.pem", "expired"], _expired_certificate
    ),
    "Cassandra away": _cassandra(
        ["Cassandra at 127.0.0.1 (port 1)", "can't be reached"], lambda _: {f"{_CQL}PORT": "1"}
    ),
    "denied user": Fault("payload-store", ["access denied", "docs/how-to/s3.md"], _denied_user),
    "wrong secret": _bucket(["NEXUS__S3_BUFFER__SECRET_ACCESS_KEY"], secret_access_key="wrong"),
    "missing bucket": _bucket(
        ["bucket 'nobody-s-bucket'", "NEXUS__S3_BUFFER__PAYLOAD_STORAGE_PATH"],
        payload_storage_path="s3a://nobody-s-bucket/x",
    ),
    "wrong region": _bucket(
        ["not in region 'us-west-2'", "NEXUS__S3_BUFFER__REGION"], region="us-west-2"
    ),
    "S3 away": _bucket(
        ["can't be reached", "NEXUS__S3_BUFFER__ENDPOINT"], endpoint=f"http://{_NOBODY}"
    ),
    "shard without rights": Fault(
        "cluster shard-0",
        ["shards/shard-0.kubeconfig", "cannot list resource"],
        lambda ground: ground.shards(ground.servers.kubernetes.denied_kubeconfig),
        {
            "rights in cluster shard-0": [
                "shards/shard-0.kubeconfig: may not create, get, list, ",
                "jobs.batch and list",
            ]
        },
    ),
    "shard with expired certificate": Fault(
        "cluster shard-0",
        ["shards/shard-0.kubeconfig", "client certificate", "expired at"],
        lambda ground: ground.shards(ground.servers.kubernetes.expired_kubeconfig),
    ),
    "shard with wrong token": Fault(
        "cluster shard-0",
        ["shards/shard-0.kubeconfig", "does not accept the credentials"],
        lambda ground: ground.shards(ground.stranger()),
    ),
    "shard away": Fault(
        "cluster shard-0",
        ["shards/shard-0.kubeconfig", f"https://{_NOBODY} can't be reached"],
        lambda ground: ground.shards(ground.elsewhere()),
    ),
    "catalogue without rights": Fault(
        "catalogue",
        ["needs the rights", "nexusalgorithmtemplates", "is forbidden"],
        lambda ground: {_FILE: ground.servers.kubernetes.denied_kubeconfig},
        {"rights to the catalogue": ["may not list, watch nexusalgorithmtemplates."]},
    ),
    "catalogue with expired certificate": Fault(
        "catalogue",
        ["client certificate", "expired at"],
        lambda ground: {_FILE: ground.servers.kubernetes.expired_kubeconfig},
    ),
    "catalogue away": Fault(
        "catalogue",
        [f"https://{_NOBODY} can't be reached"],
        lambda ground: {_FILE: str(ground.elsewhere())},
    ),
}

# A process takes seconds to start, and no fault may hide another: so each has several.
TOGETHER = [
    ("scheduler", "wrong keyspace", "denied user", "shard without rights", "catalogue away"),
    ("scheduler", "wrong password", "wrong secret", "catalogue with expired certificate"),
    ("scheduler", "user without rights", "missing bucket", "shard away"),
    ("scheduler", "expired certificate", "wrong region", "shard with expired certificate"),
    ("scheduler", "old schema", "S3 away", "catalogue without rights"),
    ("scheduler", "missing table", "shard with wrong token"),
    ("scheduler", "newer schema"),
    ("receiver", "Cassandra away", "missing bucket"),
    ("supervisor", "wrong password", "denied user", "shard without rights"),
]


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        yield session


Make = Callable[[Sequence[str]], Awaitable[Ground]]


@pytest.fixture
async def prepare(servers: Servers, tmp_path: Path) -> AsyncIterator[Make]:
    """What some faults need; keyspaces are made for those that have them."""
    made: dict[str, str] = {}

    async def prepare(faults: Sequence[str]) -> Ground:
        needed = {"old schema": "old", "missing table": "bare", "newer schema": "newer"}
        for kind in [needed[fault] for fault in faults if fault in needed]:
            made[kind] = await make_keyspace(servers.cassandra, *_pretence(kind))
        return Ground(servers, tmp_path, made)

    yield prepare
    for name in made.values():
        await drop_keyspace(servers.cassandra, name)


def _pretence(kind: str) -> list[str]:
    """Return statements after which a keyspace says that all was applied, though nothing was."""
    if kind == "old":
        return []
    applied = {step.name: step.checksum for step in read_steps(indexed=True)}
    if kind == "newer":
        applied["9999_future/post"] = "x"
    into = "INSERT INTO schema_versions (target, step, checksum) VALUES"
    return [TABLE, *(f"{into} ('nexus', '{name}', '{sum_}')" for name, sum_ in applied.items())]


def _check_log(service: WatchedService, servers: Servers, expected: Mapping[str, str]) -> None:
    """Look for the one line of each part, for floods, for tracebacks and for secrets."""
    lines = service.log()
    told = {line["part"]: line["reason"] for line in lines if line["event"] in _AWAY}
    assert told == expected
    # Each trouble may have consequences for two parts or three, and is not said again.
    assert len(lines) <= 5 + 5 * len(expected), lines
    assert not [line for line in lines if "exception" in line]
    _check_secrets(json.dumps(lines), servers)


def _check_secrets(text: str, servers: Servers) -> None:
    settings = servers.settings()
    for name in (f"{_CQL}PASSWORD", f"{_S3}SECRET_ACCESS_KEY", "NEXUS__CALLBACK__SECRET"):
        assert settings[name] not in text
    for secret in (servers.cassandra.reader_password, servers.s3.denied_secret_access_key):
        assert secret not in text


@pytest.mark.parametrize("case", TOGETHER, ids=[", ".join(case) for case in TOGETHER])
async def test_what_is_amiss_is_said_part_by_part_and_ends_nothing(
    case: tuple[str, ...],
    prepare: Make,
    definitions: None,  # noqa: ARG001 - must be there first
    session: aiohttp.ClientSession,
    tmp_path: Path,
) -> None:
    name, *faults = case
    ground = await prepare(faults)
    settings = ground.servers.settings()
    for fault in faults:
        settings |= FAULTS[fault].settings(ground)
    expected: dict[str, Sequence[str]] = {}
    for fault in faults:
        expected |= {FAULTS[fault].part: FAULTS[fault].words, **FAULTS[fault].beside}
    async with a_watched_service(name, settings, tmp_path) as service:
        troubles = await service.comes_to_say(expected, session)
        assert not [reason for reason in troubles.values() if "\n" in reason]
        _check_log(service, ground.servers, await service.comes_to_say(expected, session))
        assert await service.stop() == 0


def _broken_kubeconfig(folder: Path) -> Settings:
    (folder / "shard-0.kubeconfig").write_text("users: [{name: a, user: {token: hush: hush}}]\n")
    return {_SHARDS: str(folder)}


@pytest.mark.parametrize(
    ("name", "make", "words"),
    [
        ("scheduler", _broken_kubeconfig, [_SHARDS, "shard-0.kubeconfig: is not YAML: line 1"]),
        ("supervisor", lambda folder: {_SHARDS: str(folder)}, [_SHARDS, "holds no file"]),
        ("scheduler", lambda _: {_FILE: "/nowhere/kubeconfig"}, [_FILE, "/nowhere/kubeconfig"]),
        ("receiver", lambda _: {f"{_CQL}CA_PATH": "/nowhere"}, [f"{_CQL}CA_PATH", "/nowhere"]),
        ("scheduler", lambda _: {f"{_S3}SECRET_ACCESS_KEY": ""}, [f"{_S3}SECRET_ACCESS_KEY"]),
    ],
    ids=["unreadable kubeconfig", "no kubeconfig", "absent file", "absent authority", "half a key"],
)
async def test_a_setting_that_cant_be_right_stops_the_start_in_one_line(
    name: str,
    make: Callable[[Path], Settings],
    words: Sequence[str],
    servers: Servers,
    tmp_path: Path,
) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    async with a_watched_service(name, servers.settings() | make(folder), tmp_path) as service:
        printed = await service.refusal()
    (line,) = [line for line in printed.splitlines() if line.startswith("error: ")]
    assert not [word for word in words if word not in line]
    assert "Traceback" not in printed
    assert "hush" not in printed
    _check_secrets(printed, servers)


def _a_catalogue(folder: Path) -> Settings:
    """Write manifests of which some lead nowhere."""
    folder.mkdir()
    group = "science.sneaksanddata.com"
    documents: list[dict[str, Any]] = [
        {"kind": "NexusAlgorithmWorkgroup", "metadata": {"name": where}, "spec": {"cluster": where}}
        for where in ("shard-0", "nowhere")
    ] + [
        {
            "kind": "NexusAlgorithmTemplate",
            "metadata": {"name": f"on-{where}"},
            "spec": {
                "container": {"registry": "registry.test", "image": "a", "versionTag": "1"},
                "command": "python3 main.py",
                "computeResources": {"limits": {"cpu": "100m", "memory": "64Mi"}},
                "workgroupRef": {"name": where, "group": group, "kind": "NexusAlgorithmWorkgroup"},
            },
        }
        for where in ("shard-0", "nowhere", "nobody")
    ]
    whole = [{"apiVersion": f"{group}/v1", **document} for document in documents]
    (folder / "all.yaml").write_text(yaml.safe_dump_all(whole))
    return {"NEXUS__CATALOGUE__SOURCE": "folder", "NEXUS__CATALOGUE__PATHS": str(folder)}


class Answer(NamedTuple):
    status: int
    text: str
    retry_after: str


async def _submit(
    session: aiohttp.ClientSession, service: WatchedService, algorithm: str, length: int = 10
) -> Answer:
    url = f"{service.url}/algorithm/v1/run/{algorithm}?dryRun=true"
    body = {"algorithmParameters": {"text": "x" * length}}
    async with session.post(url, json=body) as answer:
        return Answer(answer.status, await answer.text(), answer.headers.get("Retry-After", ""))


async def test_a_template_that_leads_nowhere_is_refused_by_the_name_that_is_wrong(
    servers: Servers, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    settings = servers.settings() | _a_catalogue(tmp_path / "manifests")
    async with a_watched_service("scheduler", settings, tmp_path) as service:
        await service.comes_to_say({}, session)
        assert (await _submit(session, service, "on-shard-0")).status == 202
        cluster = await _submit(session, service, "on-nowhere")
        workgroup = await _submit(session, service, "on-nobody")
    assert (cluster.status, workgroup.status) == (400, 400)
    assert "workgroup 'nowhere' is on cluster 'nowhere'" in cluster.text
    assert "workgroup 'nobody'" in workgroup.text


async def test_a_full_disk_refuses_runs_until_there_is_room_again(
    servers: Servers, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    disk = SmallDisk(tmp_path / "disk", "4m")
    payloads = {f"{_S3}PAYLOAD_STORAGE_PATH": f"{disk.folder}/payloads"}
    settings = servers.settings() | _a_catalogue(tmp_path / "manifests") | payloads
    settings |= {"NEXUS__SIGNING__SECRET": "s"}
    async with a_watched_service("scheduler", settings, tmp_path, *disk.command) as service:
        await service.comes_to_say({}, session)
        assert (await _submit(session, service, "on-shard-0")).status == 202
        disk.fill(service.process.pid)
        refused = await _submit(session, service, "on-shard-0", 20_000)
        assert refused.status == 503
        assert refused.retry_after
        assert "No space left on device" in refused.text
        await service.comes_to_say({"payload-store": [str(disk.folder), "no space left"]}, session)
        disk.make_room(service.process.pid)
        await service.comes_to_say({}, session)
        assert (await _submit(session, service, "on-shard-0", 20_000)).status == 202
        assert await service.stop() == 0


async def test_definitions_that_are_absent_are_named_and_taken_up_once_they_are_applied(
    servers: Servers,
    control_plane: ControlPlane,
    session: aiohttp.ClientSession,
    tmp_path: Path,
) -> None:
    elsewhere = {_FILE: str(control_plane.kubeconfig)}
    async with a_watched_service("scheduler", servers.settings() | elsewhere, tmp_path) as service:
        expected = {
            "catalogue": [
                "has no definition of nexusalgorithmtemplates.science.sneaksanddata.com",
                "kubectl apply -f deploy/crds",
            ]
        }
        await service.comes_to_say(expected, session)
        _check_log(service, servers, await service.comes_to_say(expected, session))
        kubectl = Kubectl(servers.kubernetes.kubectl, control_plane.kubeconfig)
        await kubectl.install_definitions()
        await service.comes_to_say({}, session)
        assert await service.stop() == 0


async def test_what_is_mended_is_taken_up_without_a_restart(
    servers: Servers, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    keyspace = f"mended_{tmp_path.name[-8:]}".replace("-", "_").lower()
    ground = Ground(servers, tmp_path, {})
    shards = ground.shards(ground.stranger())
    later = dataclasses.replace(servers, keyspace=keyspace).settings()
    settings = later | shards | _a_catalogue(tmp_path / "manifests")
    async with a_watched_service("scheduler", settings, tmp_path) as service:
        await service.comes_to_say(
            {
                "checkpoint-store": [f"has no keyspace '{keyspace}'"],
                "cluster shard-0": ["does not accept the credentials"],
            },
            session,
        )
        busy = await _submit(session, service, "on-shard-0")
        assert (busy.status, bool(busy.retry_after)) == (503, True)
        command = ("apply", "--create-keyspace", "--replication=1")
        assert THIS_RELEASE.schema(*command, settings=later) == 0
        try:
            good = Path(servers.kubernetes.shards_folder) / "shard-0.kubeconfig"
            shutil.copy(good, Path(shards[_SHARDS]) / "shard-0.kubeconfig")
            await service.comes_to_say({}, session)

            # Who says that it is ready takes requests.
            assert (await _submit(session, service, "on-shard-0")).status == 202
            again = {line["part"] for line in service.log() if line["event"] == "circuit closed"}
            assert again == {"checkpoint-store", "cluster shard-0"}
            assert await service.stop() == 0
        finally:
            await drop_keyspace(servers.cassandra, keyspace)


async def test_copies_on_more_nodes_than_there_are_are_told_of_until_there_are_enough(
    servers: Servers, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    keyspace = f"copies_{tmp_path.name[-8:]}".replace("-", "_").lower()
    settings = dataclasses.replace(servers, keyspace=keyspace).settings()
    command = ("apply", "--create-keyspace", "--replication=3")
    assert THIS_RELEASE.schema(*command, settings=settings) == 0
    settings |= _a_catalogue(tmp_path / "manifests")
    try:
        async with a_watched_service("scheduler", settings, tmp_path) as service:
            expected = {"checkpoint-store": ["LOCAL_QUORUM"]}
            _check_log(service, servers, await service.comes_to_say(expected, session))

            plan = plan_of(servers.cassandra)
            async with open_session(plan, LIMITS, DriverName.ACSYLLA) as administrator:
                # By its name: `replication_factor` says nothing of a data centre that is known.
                one = f"{{'class': 'NetworkTopologyStrategy', '{plan.local_dc}': 1}}"
                await administrator.define(f"ALTER KEYSPACE {keyspace} WITH replication = {one}")
            await service.comes_to_say({}, session)
            assert await service.stop() == 0
    finally:
        await drop_keyspace(servers.cassandra, keyspace)
