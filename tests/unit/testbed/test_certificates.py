import ssl
import stat
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from tools.testbed.certificates import Authority, Certificate


def _shake_hands(authority: Authority, server: Certificate, client: Certificate) -> None:
    """Let both sides present a certificate and look at the other one's, without a network."""
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.certificate)
    serving.verify_mode = ssl.CERT_REQUIRED
    serving.load_cert_chain(*server)
    asking = ssl.create_default_context(cafile=authority.certificate)
    asking.load_cert_chain(*client)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        asking.wrap_bio(down, up, server_hostname="localhost"),
        serving.wrap_bio(up, down, server_side=True),
    ]
    for side in sides * 3:
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue


def _read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_servers_and_clients_of_one_authority_trust_each_other(tmp_path: Path) -> None:
    authority = Authority(tmp_path)

    _shake_hands(authority, authority.issue("server"), authority.issue("client"))


def test_an_authority_is_the_same_one_when_its_folder_is_opened_again(tmp_path: Path) -> None:
    server = Authority(tmp_path).issue("server")
    again = Authority(tmp_path)

    _shake_hands(again, server, again.issue("client"))


def test_the_time_of_an_expired_one_is_over_and_that_of_others_is_not(tmp_path: Path) -> None:
    authority, now = Authority(tmp_path), datetime.now(UTC)

    assert _read(authority.issue("old", expired=True).certificate).not_valid_after_utc < now
    assert _read(authority.issue("new").certificate).not_valid_after_utc > now


def test_kubernetes_finds_user_and_group_in_the_subject(tmp_path: Path) -> None:
    issued = Authority(tmp_path).issue("system:admin", organization="system:masters")
    subject = _read(issued.certificate).subject

    assert [a.value for a in subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == [
        "system:admin"
    ]
    groups = [a.value for a in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    assert groups == ["system:masters"]
    assert issued.certificate.name == "system-admin.pem"


def test_keys_are_for_their_owner_alone(tmp_path: Path) -> None:
    authority = Authority(tmp_path)

    for key in (authority.key, authority.issue("server").key):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        assert key.read_text().startswith("-----BEGIN PRIVATE KEY-----")
