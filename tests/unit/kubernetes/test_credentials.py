"""Credentials that age, expire, are refused and replaced."""

import asyncio
import tempfile
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
import trustme

from nexus_core.adapters.kubernetes.access import Access, Tls
from nexus_core.adapters.kubernetes.credentials import Credentials
from nexus_core.adapters.kubernetes.in_cluster import InCluster
from nexus_core.domain.errors import InvalidInputError, UnavailableError
from support.clock import ManualClock, settle
from support.kubeconfigs import a_client_certificate
from support.kubernetes import FixedSource

SERVER = "http://eu.test"


def a_source(**changes: object) -> FixedSource:
    return FixedSource(msgspec.structs.replace(Access(server=SERVER, user="me"), **changes))


async def test_they_are_read_again_each_minute(clock: ManualClock) -> None:
    source = a_source(authorization="Bearer one")
    credentials = Credentials(source, clock)
    await credentials.current()
    source.access = msgspec.structs.replace(source.access, authorization="Bearer two")

    await clock.advance(59)
    assert (await credentials.current()).access.authorization == "Bearer one"
    await clock.advance(1)
    assert (await credentials.current()).access.authorization == "Bearer two"
    assert source.asked_anew == 0


async def test_they_are_asked_for_anew_before_they_expire(clock: ManualClock) -> None:
    source = a_source(expires_at=clock.now() + timedelta(seconds=50))
    credentials = Credentials(source, clock)
    await credentials.current()

    await clock.advance(39)
    await credentials.current()
    assert source.asked_anew == 0

    await clock.advance(1)
    source.access = msgspec.structs.replace(
        source.access, expires_at=clock.now() + timedelta(hours=1)
    )
    await credentials.current()
    await credentials.current()
    assert source.asked_anew == 1


async def test_without_room_for_a_temporary_file_they_are_told_and_tried_again(
    clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = a_client_certificate(trustme.CA())
    source = a_source(tls=Tls(certificate=certificate, key=key))
    credentials = Credentials(source, clock)
    folder = tmp_path / "tmp"
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    await credentials.check()
    with pytest.raises(UnavailableError, match=r"here\.kubeconfig: .* into a temporary file: No"):
        await credentials.current()

    folder.mkdir()
    assert (await credentials.current()).ssl


async def test_what_was_good_stays_so_while_it_can_not_be_read(clock: ManualClock) -> None:
    source = a_source()
    credentials = Credentials(source, clock)
    grant = await credentials.current()
    source.error = InvalidInputError("kubeconfig /k: is not YAML")

    await clock.advance(600)

    assert await credentials.current() is grant


async def test_what_has_expired_is_no_good_however(clock: ManualClock) -> None:
    source = a_source(expires_at=clock.now() + timedelta(seconds=100))
    credentials = Credentials(source, clock)
    await credentials.current()
    source.error = UnavailableError("kubeconfig /k: exec plug-in 'p' failed")

    await clock.advance(99)
    await credentials.current()
    await clock.advance(1)
    with pytest.raises(UnavailableError, match="exec plug-in 'p' failed"):
        await credentials.current()


async def test_a_refusal_asks_anew_once_for_all_who_were_refused(clock: ManualClock) -> None:
    source = a_source(authorization="Bearer one")
    credentials = Credentials(source, clock)
    refused = await credentials.current()
    await clock.advance(10)
    source.access = msgspec.structs.replace(source.access, authorization="Bearer two")

    grants = await asyncio.gather(*(credentials.after_refusal(refused) for _ in range(5)))

    assert {grant.access.authorization for grant in grants} == {"Bearer two"}
    assert source.asked_anew == 1


async def test_a_server_that_goes_on_refusing_is_not_asked_about_all_the_time(
    clock: ManualClock,
) -> None:
    source = a_source()
    credentials = Credentials(source, clock)
    grant = await credentials.current()
    await clock.advance(10)
    for _ in range(10):
        grant = await credentials.after_refusal(grant)
    assert source.asked_anew == 1


class SlowSource:
    """One that takes its time, as a plug-in does that logs in somewhere."""

    origin = "kubeconfig /slow"

    def __init__(self) -> None:
        self.begun = 0
        self.hands_out = asyncio.Event()
        self.error: UnavailableError | None = None

    async def load(self, *, anew: bool) -> Access:  # noqa: ARG002 - the protocol's
        self.begun += 1
        await self.hands_out.wait()
        if self.error is not None:
            raise self.error
        return Access(server=SERVER, user="me")


async def test_who_has_no_patience_for_a_slow_plug_in_does_not_end_it_for_all(
    clock: ManualClock,
) -> None:
    source = SlowSource()
    credentials = Credentials(source, clock)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await credentials.current()
    waiting = asyncio.create_task(credentials.current())
    await settle()
    source.hands_out.set()

    assert (await waiting).access.server == SERVER
    assert source.begun == 1


async def test_all_who_wait_for_a_plug_in_that_fails_hear_of_it_at_once(
    clock: ManualClock,
) -> None:
    source = SlowSource()
    credentials = Credentials(source, clock)
    waiting = [asyncio.create_task(credentials.current()) for _ in range(5)]
    await settle()
    source.error = UnavailableError("kubeconfig /slow: exec plug-in 'p' failed")
    source.hands_out.set()

    for task in waiting:
        with pytest.raises(UnavailableError, match="exec plug-in 'p' failed"):
            await task
    assert source.begun == 1


async def test_a_plug_in_that_nobody_waits_for_is_ended_with_its_connection(
    clock: ManualClock,
) -> None:
    source = SlowSource()
    credentials = Credentials(source, clock)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await credentials.current()
    await credentials.close()
    assert not [task for task in asyncio.all_tasks() if "slow" in task.get_name()]


async def test_connections_are_kept_while_nothing_about_tls_changes(clock: ManualClock) -> None:
    authority = trustme.CA()
    tls = Tls(ca=authority.cert_pem.bytes())
    source = a_source(tls=tls, authorization="Bearer one")
    credentials = Credentials(source, clock)
    first = await credentials.current()
    source.access = msgspec.structs.replace(source.access, authorization="Bearer two")
    await clock.advance(60)
    second = await credentials.current()
    source.access = msgspec.structs.replace(
        source.access, tls=Tls(ca=trustme.CA().cert_pem.bytes())
    )
    await clock.advance(60)
    third = await credentials.current()

    assert first.ssl is second.ssl
    assert third.ssl is not first.ssl


async def test_an_expired_client_certificate_is_named_with_its_time(clock: ManualClock) -> None:
    certificate, key = a_client_certificate(trustme.CA(), expired=True)
    source = a_source(tls=Tls(certificate=certificate, key=key))
    # As far as this clock goes, the certificate is still good.
    await Credentials(source, clock).current()
    await clock.advance(timedelta(days=365 * 20).total_seconds())

    credentials = Credentials(source, clock)
    await credentials.check()
    with pytest.raises(UnavailableError) as told:
        await credentials.current()
    assert str(told.value).startswith(
        f"{source.origin}: the client certificate of user 'me' expired at 20"
    )


@pytest.mark.parametrize(
    ("tls", "complaint"),
    [
        (Tls(ca=b"hello"), "the certificate authority is not PEM"),
        (Tls(certificate=b"hello", key=b"hello"), "the client certificate is not PEM"),
        (
            Tls(
                certificate=a_client_certificate(trustme.CA())[0],
                key=a_client_certificate(trustme.CA())[1],
            ),
            "the client certificate and its key can't be used (key values mismatch)",
        ),
    ],
)
async def test_a_certificate_that_is_not_sound_is_a_mistake_that_is_named_at_once(
    clock: ManualClock, tls: Tls, complaint: str
) -> None:
    source = a_source(tls=tls)
    with pytest.raises(InvalidInputError) as told:
        await Credentials(source, clock).check()
    assert str(told.value) == f"{source.origin}: {complaint}"


async def test_who_hands_out_nothing_now_is_no_mistake(clock: ManualClock) -> None:
    source = a_source()
    source.error = UnavailableError("kubeconfig /k: exec plug-in 'p' failed")
    await Credentials(source, clock).check()


def a_service_account(folder: Path) -> Path:
    (folder / "token").write_text("one\n")
    (folder / "ca.crt").write_bytes(trustme.CA().cert_pem.bytes())
    return folder


async def test_a_pod_presents_the_token_of_its_service_account_as_it_is_replaced(
    tmp_path: Path, clock: ManualClock
) -> None:
    folder = a_service_account(tmp_path)
    credentials = Credentials(InCluster("10.0.0.1:443", folder), clock)
    grant = await credentials.current()
    assert grant.access.server == "https://10.0.0.1:443"
    assert grant.access.authorization == "Bearer one"

    (folder / "token").write_text("two\n")
    await clock.advance(60)

    assert (await credentials.current()).access.authorization == "Bearer two"


async def test_outside_of_a_pod_that_is_said_in_one_line(
    tmp_path: Path, clock: ManualClock
) -> None:
    with pytest.raises(InvalidInputError) as told:
        await Credentials(InCluster("", tmp_path), clock).check()
    assert str(told.value) == (
        "the cluster that this process runs in: KUBERNETES_SERVICE_HOST is not set, "
        "so this is no pod"
    )


async def test_a_pod_without_a_service_account_is_told_which_file_is_missing(
    tmp_path: Path, clock: ManualClock
) -> None:
    with pytest.raises(InvalidInputError, match=f"{tmp_path / 'token'} can't be read"):
        await Credentials(InCluster("10.0.0.1:443", tmp_path), clock).check()
