"""Logins to Amazon Keyspaces, signed as the published examples are."""

from datetime import datetime

from botocore.credentials import Credentials
from cassandra.auth import AuthProvider
from cassandra_sigv4 import auth
from msgspec.structs import replace

from nexus_core.adapters.cassandra.datastax_driver import auth_of
from nexus_core.adapters.cassandra.plan import AwsLogin, Login, Plan

LOGIN = AwsLogin("us-west-2", "UserID-1", "UserSecretKey-1")
PLAN = Plan(name="Keyspaces", login=LOGIN)

# Nonce, time, key and signature of the examples that all of Amazon's plug-ins are tested with.
NONCE = b"91703fdc2ef562e19fbdab0f58e42fe5"
TIME = datetime(2020, 6, 9, 22, 41, 51)  # noqa: DTZ001 - as the plug-in takes it
SIGNATURE = "7f3691c18a81b8ce7457699effbfae5b09b4e0714ab38c1292dbdf082c9ddd87"


def test_a_signature_is_the_published_one() -> None:
    key = Credentials(LOGIN.access_key_id, LOGIN.secret_access_key)
    assert auth._generate_signature(NONCE, TIME, key, LOGIN.region) == SIGNATURE


def test_a_challenge_is_answered_with_our_key() -> None:
    provider = auth_of(PLAN)
    assert isinstance(provider, AuthProvider)
    authenticator = provider.new_authenticator("host")
    assert authenticator.initial_response() == b"SigV4\0\0"
    answer = authenticator.evaluate_challenge(b"nonce=" + NONCE)
    parts = dict(part.split("=", 1) for part in answer.split(","))
    assert parts["access_key"] == "UserID-1"
    at = datetime.strptime(parts["amzdate"], "%Y-%m-%dT%H:%M:%S.%fZ")  # noqa: DTZ007 - likewise
    key = Credentials(LOGIN.access_key_id, LOGIN.secret_access_key)
    assert parts["signature"] == auth._generate_signature(NONCE, at, key, LOGIN.region)


def test_a_password_is_no_signature() -> None:
    assert auth_of(replace(PLAN, login=None)) is None
    provider = auth_of(replace(PLAN, login=Login("a", "b")))
    assert provider
    assert provider.new_authenticator("host").initial_response() == b"\0a\0b"
