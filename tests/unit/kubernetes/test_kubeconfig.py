"""Reading kubeconfig files, and what is said of those that can't be read."""

import asyncio
import base64
from collections.abc import Mapping
from pathlib import Path

import pytest
import trustme
import yaml

from nexus_core.adapters.kubernetes.kubeconfig import KubeconfigFile
from nexus_core.domain.errors import InvalidInputError, UnavailableError
from support.kubeconfigs import PRINT, a_client_certificate, a_kubeconfig, a_plugin

SERVER = "https://eu.test:6443"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "eu.kubeconfig"


def rewritten(path: Path, change: Mapping[str, object]) -> Path:
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **change}))
    return path


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


async def test_a_token_is_presented(path: Path) -> None:
    access = await KubeconfigFile(a_kubeconfig(path, SERVER + "/", token="t")).load(anew=False)

    assert access.server == SERVER
    assert access.authorization == "Bearer t"
    assert access.user == "me"


async def test_a_token_file_goes_before_a_token_and_is_read_each_time(path: Path) -> None:
    token = path.with_name("token")
    token.write_text("first\n")
    source = KubeconfigFile(a_kubeconfig(path, SERVER, token="old", tokenFile="token"))
    assert (await source.load(anew=False)).authorization == "Bearer first"

    token.write_text("second\n")

    assert (await source.load(anew=False)).authorization == "Bearer second"


async def test_a_name_with_a_password_is_presented(path: Path) -> None:
    config = a_kubeconfig(path, SERVER, username="ada", password="s:cret")
    access = await KubeconfigFile(config).load(anew=False)
    assert access.authorization == f"Basic {b64(b'ada:s:cret')}"


async def test_certificates_come_from_the_file_itself_or_from_files_beside_it(path: Path) -> None:
    certificate, key = a_client_certificate(trustme.CA())
    inside = a_kubeconfig(
        path,
        SERVER,
        ca=b"CA",
        client_certificate_data=b64(certificate),
        client_key_data=b64(key),
    )
    path.with_name("my.crt").write_bytes(certificate)
    path.with_name("my.key").write_bytes(key)
    beside = a_kubeconfig(
        path.with_name("beside"), SERVER, client_certificate="my.crt", client_key="my.key"
    )

    for config in (inside, beside):
        tls = (await KubeconfigFile(config).load(anew=False)).tls
        assert tls is not None
        assert (tls.certificate, tls.key) == (certificate, key)
    inner = (await KubeconfigFile(inside).load(anew=False)).tls
    assert inner is not None
    assert inner.ca == b"CA"


async def test_a_context_is_found_by_its_name(path: Path) -> None:
    a_kubeconfig(path, SERVER, token="t")
    there = {
        "clusters": [{"name": "us", "cluster": {"server": "http://us.test"}}],
        "contexts": [{"name": "there", "context": {"cluster": "us"}}],
    }
    rewritten(path, there)

    access = await KubeconfigFile(path, "there").load(anew=False)

    assert (access.server, access.authorization, access.tls) == ("http://us.test", "", None)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"current-context": ""}, "has no current-context"),
        ({"current-context": "gone"}, "has no context 'gone' (it has 'here')"),
        ({"contexts": None}, "has no context 'here' (it has none)"),
        ({"clusters": []}, "has no cluster 'eu' (it has none)"),
        ({"users": [{"name": "you"}]}, "has no user 'me' (it has 'you')"),
        ({"clusters": "eu"}, "is no kubeconfig: Expected `array | null`, got `str`"),
        (
            {"clusters": [{"name": "eu", "cluster": {"server": "eu.test"}}]},
            "server of cluster 'eu' is no URL",
        ),
        (
            {
                "clusters": [
                    {
                        "name": "eu",
                        "cluster": {"server": SERVER, "certificate-authority": "no.crt"},
                    }
                ]
            },
            "no.crt can't be read: No such file or directory",
        ),
        (
            {
                "clusters": [
                    {"name": "eu", "cluster": {"server": SERVER, "proxy-url": "socks5://p"}}
                ]
            },
            "proxy-url of cluster 'eu' is none of HTTP",
        ),
        (
            {"users": [{"name": "me", "user": {"client-certificate-data": "???"}}]},
            "client-certificate-data is not base64",
        ),
        (
            {"users": [{"name": "me", "user": {"client-certificate-data": "aGVsbG8="}}]},
            "a client certificate and its key come together, or not at all",
        ),
        (
            {"users": [{"name": "me", "user": {"tokenFile": "gone"}}]},
            "gone can't be read: No such file or directory",
        ),
        (
            {"users": [{"name": "me", "user": {"auth-provider": {"name": "gcp"}}}]},
            "auth-provider is no longer supported",
        ),
    ],
)
async def test_a_mistake_in_the_file_is_told_in_one_line_that_names_it(
    path: Path, change: dict[str, object], complaint: str
) -> None:
    a_kubeconfig(path, SERVER, token="t")
    rewritten(path, change)

    with pytest.raises(InvalidInputError) as told:
        await KubeconfigFile(path).load(anew=False)

    assert str(told.value).startswith(f"kubeconfig {path}: ")
    assert complaint in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "can't be read: No such file or directory"),
        (b"clusters: [", "is not YAML: line 1: expected"),
        (b"\xff\xfe\x00", "is not YAML"),
        (b"", "is no kubeconfig: Expected `object`, got `null`"),
    ],
)
def test_a_file_that_is_no_kubeconfig_is_told_in_one_line_that_names_it(
    path: Path, content: bytes | None, complaint: str
) -> None:
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(InvalidInputError) as told:
        asyncio.run(KubeconfigFile(path).load(anew=False))

    assert str(told.value).startswith(f"kubeconfig {path}: {complaint}")
    assert "\n" not in str(told.value)


async def test_a_plugin_is_asked_once_and_again_when_its_token_is_refused(path: Path) -> None:
    script = PRINT + 'say(token=f"token-{count()}", expirationTimestamp="2030-01-01T00:00:00Z")'
    source = KubeconfigFile(a_kubeconfig(path, SERVER, exec=a_plugin(path.parent, script)))

    first = await source.load(anew=False)
    again = await source.load(anew=False)
    anew = await source.load(anew=True)

    assert first.authorization == again.authorization == "Bearer token-1"
    assert anew.authorization == "Bearer token-2"
    assert first.expires_at is not None
    assert first.expires_at.year == 2030


async def test_a_plugin_may_hand_out_a_certificate(path: Path) -> None:
    certificate, key = a_client_certificate(trustme.CA())
    status = {"clientCertificateData": certificate.decode(), "clientKeyData": key.decode()}
    plugin = a_plugin(path.parent, f"{PRINT}say(**{status!r})")
    access = await KubeconfigFile(a_kubeconfig(path, SERVER, exec=plugin)).load(anew=False)
    assert access.tls is not None
    assert (access.tls.certificate, access.tls.key) == (certificate, key)


async def test_a_plugin_is_told_what_it_asks_for(path: Path) -> None:
    script = PRINT + (
        'info = json.loads(os.environ["KUBERNETES_EXEC_INFO"])\n'
        'say(token=":".join([info["kind"], str(info["spec"]["interactive"]),'
        ' info["spec"]["cluster"]["server"], os.environ["REGION"]]))'
    )
    plugin = a_plugin(
        path.parent, script, provideClusterInfo=True, env=[{"name": "REGION", "value": "eu"}]
    )
    access = await KubeconfigFile(a_kubeconfig(path, SERVER, exec=plugin)).load(anew=False)
    assert access.authorization == f"Bearer ExecCredential:False:{SERVER}:eu"


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ('sys.exit("log in first,\\nplease")', "failed with exit code 1: log in first, please"),
        ("print('hello')", "did not print an ExecCredential"),
        ("say()", "printed neither a token nor a certificate and its key"),
        (
            'print(json.dumps({"apiVersion": "v2", "kind": "", "status": {"token": "t"}}))',
            "speaks v2, not client.authentication.k8s.io/v1",
        ),
    ],
)
async def test_a_plugin_that_hands_out_nothing_is_named_with_why(
    path: Path, script: str, complaint: str
) -> None:
    plugin = a_plugin(path.parent, PRINT + script)

    with pytest.raises(UnavailableError) as told:
        await KubeconfigFile(a_kubeconfig(path, SERVER, exec=plugin)).load(anew=False)

    assert str(told.value).startswith(f"kubeconfig {path}: exec plug-in '{plugin['command']}' ")
    assert complaint in str(told.value)
    assert "\n" not in str(told.value)


async def test_a_plugin_that_is_not_there_is_named_with_its_hint(path: Path) -> None:
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "no-such-plugin",
        "installHint": "get it\nfrom there",
    }
    with pytest.raises(UnavailableError) as told:
        await KubeconfigFile(a_kubeconfig(path, SERVER, exec=plugin)).load(anew=False)
    assert str(told.value) == (
        f"kubeconfig {path}: exec plug-in 'no-such-plugin' can't be run: "
        "No such file or directory (get it from there)"
    )


async def test_a_plugin_beside_the_file_is_found_from_there(path: Path) -> None:
    program = path.with_name("plugin.sh")
    said = '{"apiVersion": "client.authentication.k8s.io/v1", "status": {"token": "t"}}'
    program.write_text(f"#!/bin/sh\necho '{said}'\n")
    program.chmod(0o700)
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "./plugin.sh"}
    access = await KubeconfigFile(a_kubeconfig(path, SERVER, exec=plugin)).load(anew=False)
    assert access.authorization == "Bearer t"
