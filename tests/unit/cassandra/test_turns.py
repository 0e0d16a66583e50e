"""When things that are seen over and over are looked at."""

from nexus_core.adapters.cassandra.turns import Turns


def test_a_thing_is_due_once_it_has_been_seen_long_enough() -> None:
    turns: Turns[str] = Turns(45)
    assert turns.due("east", ["a"], 1000.0) == []
    assert turns.due("east", ["a", "b"], 1044.9) == []
    assert turns.due("east", ["a", "b"], 1045.0) == ["a"]


def test_a_thing_that_went_away_and_came_back_is_new() -> None:
    turns: Turns[str] = Turns(45)
    turns.due("east", ["a"], 0.0)
    turns.due("east", [], 30.0)
    assert turns.due("east", ["a"], 50.0) == []


def test_groups_do_not_forget_each_others_things() -> None:
    turns: Turns[str] = Turns(45)
    turns.due("east", ["a"], 0.0)
    turns.due("west", ["b"], 1.0)
    assert turns.due("east", ["a"], 45.0) == ["a"]


def test_a_thing_that_was_put_off_comes_later_and_later() -> None:
    turns: Turns[str] = Turns(45)
    turns.due("east", ["a"], 0.0)
    now, waits = 45.0, []
    for _ in range(6):
        assert turns.due("east", ["a"], now) == ["a"]
        turns.put_off("east", ["a"], now)
        wait = next(t for t in range(1, 1000) if turns.due("east", ["a"], now + t))
        waits.append(wait)
        now += wait
    assert waits == [60, 120, 240, 480, 600, 600]
