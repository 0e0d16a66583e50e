"""What a seed says: the same always, and enough of everything."""

from collections import Counter

from chaos.control import Mode, Trouble
from chaos.deeds import Act, Targets, make_deeds
from chaos.orders import Kind, Sending, make_orders

TARGETS = Targets(
    services=("scheduler", "receiver", "supervisor"),
    gates=("scheduler", "store"),
    parts={"scheduler": ("store", "cluster"), "receiver": ("callback",), "supervisor": ()},
    lease=3.0,
)
TEN_MINUTES = 600.0


def test_a_seed_says_the_same_again_and_another_one_something_else() -> None:
    assert make_orders(7, 60, 9) == make_orders(7, 60, 9) != make_orders(8, 60, 9)
    assert make_deeds(7, 60, TARGETS) == make_deeds(7, 60, TARGETS) != make_deeds(8, 60, TARGETS)


def test_orders_are_of_every_kind_and_sent_in_every_way() -> None:
    orders = make_orders(7, TEN_MINUTES, 9)
    assert 4500 < len(orders) < 6500
    assert {order.kind for order in orders} == set(Kind)
    assert {order.sending for order in orders} == set(Sending)
    assert len({order.label for order in orders}) == len(orders)


def test_a_world_without_a_kind_of_ending_is_asked_for_none() -> None:
    kinds = frozenset({Kind.COMPLETES, Kind.IS_DRY})
    assert {order.kind for order in make_orders(7, 60, 9, kinds)} == kinds


def test_ten_minutes_hold_fifty_kills_and_all_else_whatever_the_seed() -> None:
    for seed in range(50):
        deeds = make_deeds(seed, TEN_MINUTES, TARGETS)
        acts = Counter(deed.act for deed in deeds)
        assert acts[Act.KILL] >= 60
        assert acts.keys() == set(Act)
        assert list(deeds) == sorted(deeds, key=lambda deed: deed.at)
        assert all(deed.at < TEN_MINUTES for deed in deeds)


def test_who_is_frozen_is_so_for_longer_than_every_lease() -> None:
    deeds = make_deeds(7, TEN_MINUTES, TARGETS)
    assert all(deed.lasts > TARGETS.lease for deed in deeds if deed.act is Act.FREEZE)


def test_nothing_is_done_to_what_there_is_not() -> None:
    for deed in make_deeds(7, TEN_MINUTES, TARGETS):
        known = TARGETS.gates if deed.act in {Act.CUT, Act.STICK} else TARGETS.services
        assert deed.target in known
        assert not deed.part or deed.part in TARGETS.parts[deed.target]


def test_call_backs_alone_do_nothing_and_say_that_they_did() -> None:
    troubles = [(deed.part, deed.trouble) for deed in make_deeds(7, TEN_MINUTES, TARGETS)]
    dropping = {part for part, trouble in troubles if _drops(trouble)}
    assert dropping == {"callback"}


def _drops(trouble: Trouble | None) -> bool:
    return trouble is not None and trouble.mode is Mode.DROPS
