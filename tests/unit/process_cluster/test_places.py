"""Handing out places for pods."""

from nexus_core.adapters.process.places import Places


async def test_places_are_handed_out_until_there_are_none() -> None:
    places = Places(2)

    turns = [places.queue(rank) for rank in range(3)]

    assert [turn.done() for turn in turns] == [True, True, False]


async def test_the_lowest_rank_is_next() -> None:
    places = Places(1)
    first = places.queue(5)
    late, early = places.queue(3), places.queue(1)

    places.leave(first)

    assert early.done()
    assert not late.done()


async def test_whoever_gives_up_is_passed_over() -> None:
    places = Places(1)
    first, impatient, patient = places.queue(0), places.queue(1), places.queue(2)

    places.leave(impatient)
    places.leave(first)

    assert impatient.cancelled()
    assert patient.done()


async def test_a_turn_that_was_cancelled_elsewhere_is_passed_over() -> None:
    places = Places(1)
    first, cancelled, patient = places.queue(0), places.queue(1), places.queue(2)
    cancelled.cancel()

    places.leave(first)

    assert patient.done()


async def test_what_runs_already_keeps_its_place_though_there_are_too_many() -> None:
    places = Places(1)
    running = [places.occupy(), places.occupy()]
    waiting = places.queue(0)

    places.leave(running[0])
    assert not waiting.done()

    places.leave(running[1])
    assert waiting.done()
