from pathlib import Path

import yaml

from tools.testbed.cassandra.configuration import CassandraPorts, write_configuration

_FILES = (Path("/keys.pem"), Path("/ca.pem"))


def test_a_node_listens_where_it_was_told_and_on_loopback_alone(tmp_path: Path) -> None:
    ports = CassandraPorts(plain=20_001, tls=20_002, storage=20_003)

    path = write_configuration(tmp_path, ports, *_FILES, "each write")

    read = yaml.safe_load(path.read_text())
    assert {
        name: value for name, value in read.items() if name.endswith(("_port", "_port_ssl"))
    } == {
        "native_transport_port": 20_001,
        "native_transport_port_ssl": 20_002,
        "storage_port": 20_003,
    }
    assert {value for name, value in read.items() if name.endswith("_address")} == {"127.0.0.1"}


def test_clients_need_a_certificate_of_the_authority_on_the_port_for_tls(tmp_path: Path) -> None:
    ports = CassandraPorts(plain=20_001, tls=20_002, storage=20_003)

    path = write_configuration(tmp_path, ports, *_FILES, "each write")

    options = yaml.safe_load(path.read_text())["client_encryption_options"]
    assert options["require_client_auth"]
    assert (options["keystore"], options["truststore"]) == ("/keys.pem", "/ca.pem")
