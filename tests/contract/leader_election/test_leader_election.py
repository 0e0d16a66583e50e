"""What `ports.leader_election` promises, sentence by sentence."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from nexus_core.ports.leader_election import LeaderElection

Pass = Callable[[timedelta], Awaitable[None]]

LONG = timedelta(minutes=5)
SHORT = timedelta(seconds=1)

# A store may let a lease live a little longer than was asked for, and never shorter.
AFTER_SHORT = timedelta(seconds=4.5)


async def test_a_role_that_nobody_has_is_taken(election: LeaderElection, role: str) -> None:
    assert await election.lead(role, "a", LONG)


async def test_another_does_not_lead_while_the_lease_lasts(
    election: LeaderElection, role: str
) -> None:
    await election.lead(role, "a", LONG)

    assert not await election.lead(role, "b", LONG)
    assert not await election.lead(role, "b", SHORT)
    assert await election.lead(role, "a", LONG)


async def test_roles_are_apart(election: LeaderElection, role: str) -> None:
    await election.lead(role, "a", LONG)

    assert await election.lead(f"{role}/another", "b", LONG)
    assert not await election.lead(role, "b", LONG)


async def test_of_many_that_ask_at_once_one_leads(election: LeaderElection, role: str) -> None:
    candidates = [f"candidate-{number}" for number in range(12)]

    answers = await asyncio.gather(*(election.lead(role, name, LONG) for name in candidates))

    assert sum(answers) == 1
    leader = candidates[answers.index(True)]
    again = await asyncio.gather(*(election.lead(role, name, LONG) for name in candidates))
    assert [name for name, leads in zip(candidates, again, strict=True) if leads] == [leader]


async def test_who_starts_again_under_its_name_leads_on(
    election: LeaderElection, role: str
) -> None:
    await election.lead(role, "a", LONG)

    # Nothing but the name says who asks.
    assert await election.lead(role, "a", LONG)
    assert not await election.lead(role, "b", LONG)


async def test_a_leader_that_was_frozen_for_longer_than_its_lease_finds_another_in_its_place(
    election: LeaderElection, role: str, let_pass: Pass
) -> None:
    await election.lead(role, "a", SHORT)

    await let_pass(AFTER_SHORT)

    assert await election.lead(role, "b", LONG)
    assert not await election.lead(role, "a", LONG)


async def test_of_many_that_find_a_lease_run_out_one_leads(
    election: LeaderElection, role: str, let_pass: Pass
) -> None:
    await election.lead(role, "a", SHORT)
    await let_pass(AFTER_SHORT)

    answers = await asyncio.gather(*(election.lead(role, f"b-{n}", LONG) for n in range(8)))

    assert sum(answers) == 1


async def test_a_leader_that_finds_its_lease_run_out_may_lead_again(
    election: LeaderElection, role: str, let_pass: Pass
) -> None:
    await election.lead(role, "a", SHORT)
    await let_pass(AFTER_SHORT)

    assert await election.lead(role, "a", LONG)
    assert not await election.lead(role, "b", LONG)


async def test_a_lease_lasts_for_all_of_its_time(
    election: LeaderElection, role: str, let_pass: Pass
) -> None:
    # Several, since a server may count from the beginning of its second.
    for number in range(3):
        name = f"{role}/{number}"
        assert await election.lead(name, "a", SHORT)
        await let_pass(0.95 * SHORT)
        assert not await election.lead(name, "b", SHORT)


async def test_a_lease_that_is_renewed_does_not_run_out(
    election: LeaderElection, role: str, let_pass: Pass
) -> None:
    await election.lead(role, "a", SHORT)
    for _ in range(6):
        await let_pass(0.8 * SHORT)
        assert await election.lead(role, "a", SHORT)
        assert not await election.lead(role, "b", SHORT)


async def test_a_renewal_may_make_a_lease_shorter(
    election: LeaderElection, role: str, let_pass: Pass
) -> None:
    await election.lead(role, "a", LONG)
    await election.lead(role, "a", SHORT)

    await let_pass(AFTER_SHORT)

    assert await election.lead(role, "b", LONG)


async def test_when_the_leader_resigns_another_leads_at_once(
    election: LeaderElection, role: str
) -> None:
    await election.lead(role, "a", LONG)

    await election.resign(role, "a")

    assert await election.lead(role, "b", LONG)
    assert not await election.lead(role, "a", LONG)


async def test_who_resigned_may_lead_again(election: LeaderElection, role: str) -> None:
    for _ in range(3):
        assert await election.lead(role, "a", LONG)
        await election.resign(role, "a")
        await election.resign(role, "a")

    assert await election.lead(role, "a", LONG)


async def test_nobody_resigns_for_another(election: LeaderElection, role: str) -> None:
    await election.lead(role, "a", LONG)

    await election.resign(role, "b")

    assert not await election.lead(role, "b", LONG)
    assert await election.lead(role, "a", LONG)


async def test_resigning_a_role_that_nobody_has_is_harmless(
    election: LeaderElection, role: str
) -> None:
    await election.resign(role, "a")

    assert await election.lead(role, "b", LONG)
