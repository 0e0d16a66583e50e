"""What `ports.lease_store` promises, sentence by sentence."""

from datetime import timedelta

from nexus_core.domain.checkpoint import Lease
from nexus_core.ports.lease_store import LeaseStore
from support.runs import LONG_AGO

SECOND = timedelta(seconds=1)


def a_lease(owner: str = "scheduler-0", seconds: float = 30) -> Lease:
    return Lease(
        owner=owner,
        callback_url=f"http://{owner}:8080",
        expires_at=LONG_AGO + timedelta(seconds=seconds),
    )


async def test_a_lease_is_found_as_it_was_recorded(leases: LeaseStore) -> None:
    await leases.renew(a_lease())

    assert list(await leases.alive(LONG_AGO)) == [a_lease()]


async def test_a_renewed_lease_replaces_the_owners_earlier_one_only(leases: LeaseStore) -> None:
    await leases.renew(a_lease())
    await leases.renew(a_lease("scheduler-1"))
    renewed = Lease(
        owner="scheduler-0", callback_url="http://moved:80", expires_at=LONG_AGO + 60 * SECOND
    )

    await leases.renew(renewed)
    await leases.renew(renewed)

    assert set(await leases.alive(LONG_AGO)) == {renewed, a_lease("scheduler-1")}


async def test_a_lease_lives_until_its_time_and_has_expired_from_then_on(
    leases: LeaseStore, tick: timedelta
) -> None:
    lease = a_lease()
    await leases.renew(lease)
    just_before = lease.expires_at - tick

    assert list(await leases.alive(just_before)) == [lease]
    assert list(await leases.expired(just_before)) == []
    assert list(await leases.alive(lease.expires_at)) == []
    assert list(await leases.expired(lease.expires_at)) == [lease]


async def test_every_lease_is_alive_or_expired_and_none_is_both(leases: LeaseStore) -> None:
    early, middle, late = (a_lease(f"scheduler-{n}", seconds=n * 10) for n in (1, 2, 3))
    for lease in (late, early, middle):
        await leases.renew(lease)

    then = LONG_AGO + 25 * SECOND

    assert set(await leases.expired(then)) == {early, middle}
    assert set(await leases.alive(then)) == {late}


async def test_a_renewed_lease_is_expired_no_more(leases: LeaseStore) -> None:
    await leases.renew(a_lease(seconds=10))
    await leases.renew(a_lease(seconds=60))

    assert list(await leases.expired(LONG_AGO + 30 * SECOND)) == []
    assert list(await leases.alive(LONG_AGO + 30 * SECOND)) == [a_lease(seconds=60)]


async def test_an_owner_that_comes_back_lives_again(leases: LeaseStore) -> None:
    await leases.renew(a_lease(seconds=10))
    await leases.release("scheduler-0", LONG_AGO)

    await leases.renew(a_lease(seconds=20))

    assert list(await leases.alive(LONG_AGO)) == [a_lease(seconds=20)]
    assert list(await leases.expired(LONG_AGO)) == []


async def test_a_released_lease_has_expired_at_once(leases: LeaseStore) -> None:
    await leases.renew(a_lease(seconds=30))

    await leases.release("scheduler-0", LONG_AGO)

    assert list(await leases.expired(LONG_AGO)) == [a_lease(seconds=0)]
    assert list(await leases.alive(LONG_AGO)) == []


async def test_releasing_again_changes_nothing(leases: LeaseStore) -> None:
    await leases.renew(a_lease(seconds=30))
    await leases.release("scheduler-0", LONG_AGO)

    await leases.release("scheduler-0", LONG_AGO + SECOND)

    assert list(await leases.expired(LONG_AGO)) == [a_lease(seconds=0)]


async def test_releasing_does_not_prolong_what_has_expired(leases: LeaseStore) -> None:
    await leases.renew(a_lease(seconds=1))

    await leases.release("scheduler-0", LONG_AGO + 5 * SECOND)

    assert list(await leases.expired(LONG_AGO + 5 * SECOND)) == [a_lease(seconds=1)]


async def test_releasing_what_nobody_holds_is_harmless(leases: LeaseStore) -> None:
    await leases.renew(a_lease())

    await leases.release("scheduler-1", LONG_AGO)

    assert list(await leases.alive(LONG_AGO)) == [a_lease()]
    assert list(await leases.expired(LONG_AGO)) == []
