from pathlib import Path

import pytest

from tools.testbed.certificates import Certificate
from tools.testbed.kubernetes import flags
from tools.testbed.kubernetes.binaries import Binaries

BINARIES = Binaries(Path("/bin"))
PORTS = flags.Ports(etcd=1, etcd_peer=2, apiserver=3)
CERTIFICATE = Certificate(Path("/a.pem"), Path("/a.key"))
SECRETS = flags.Secrets(Path("/ca.pem"), CERTIFICATE, CERTIFICATE)


def all_commands() -> list[list[str]]:
    kubeconfig = Path("/kubeconfig")
    return [
        flags.etcd(BINARIES, Path("/data"), PORTS, SECRETS, durable=False),
        flags.apiserver(BINARIES, Path("/folder"), PORTS, SECRETS),
        flags.controller_manager(BINARIES, kubeconfig, SECRETS),
        flags.scheduler(BINARIES, Path("/scheduler.yaml")),
        flags.kwok(BINARIES, kubeconfig, Path("/kwok.yaml"), 4),
    ]


def test_whatever_listens_does_so_on_loopback() -> None:
    for command in all_commands():
        addresses = [
            flag
            for flag in command
            if any(said in flag for said in ("listen", "bind-address", "server-address"))
        ]
        assert all("127.0.0.1" in flag for flag in addresses), command
        assert addresses or "--secure-port=0" in command


@pytest.mark.parametrize("durable", [True, False])
def test_etcd_waits_for_the_disk_where_it_is_to_be_durable(*, durable: bool) -> None:
    command = flags.etcd(BINARIES, Path("/data"), PORTS, SECRETS, durable=durable)

    assert ("--unsafe-no-fsync" in command) is not durable


def test_clients_of_etcd_need_a_certificate() -> None:
    command = flags.etcd(BINARIES, Path("/data"), PORTS, SECRETS, durable=True)

    assert "--client-cert-auth" in command
    assert "--trusted-ca-file=/ca.pem" in command


def test_the_api_server_asks_for_rights() -> None:
    assert "--authorization-mode=RBAC" in flags.apiserver(BINARIES, Path("/folder"), PORTS, SECRETS)
