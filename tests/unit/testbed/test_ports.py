import socket

from tools.testbed.ports import free_ports


def test_ports_differ_and_can_be_listened_on() -> None:
    ports = free_ports(5)

    assert len(set(ports)) == 5
    for port in ports:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", port))


def test_no_outgoing_connection_is_given_such_a_port() -> None:
    # Linux gives them ports from 32768 on, others from 49152 on.
    assert max(free_ports(50)) < 32_768
