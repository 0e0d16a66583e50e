"""What is printed."""

import statistics
from collections.abc import Iterable, Sequence

import psutil

from benchmarks.real.contests import Contest
from benchmarks.real.cpu import LOAD
from benchmarks.real.round_trips import RoundTrips
from benchmarks.real.swept import OURS, SERVERS, Swept
from benchmarks.real.turns import Contestant, share, together
from benchmarks.removals import RemovalCost
from benchmarks.sweeps import LATE, OPEN

WANTED = 0.7
"""Of the slowest server's own rate."""

_VERDICTS = {True: "met", False: "MISSED"}

# As people think of them: who asks, who is asked.
_ORDER = (
    "scheduler",
    "receiver",
    "Cassandra",
    "S3",
    "API server",
    "etcd",
    "controllers",
)


def print_contest(contest: Contest) -> None:
    """Print the rates, latencies and shares of a contest, and the CPU by component."""
    both = [contest.both] if contest.both else []
    contestants = [*contest.alone, *both, contest.service]
    _print_rates(contest.title, contestants)
    _print_shares(contest)
    _print_cpu(contestants)
    _print_whose(contest.service)


def _print_rates(title: str, contestants: Sequence[Contestant]) -> None:
    print(f"\n{title}\n")
    print(f"{'':<36}{'a second':>9}{'from, to':>16}{'p50':>9}{'p95':>7}{'p99 ms':>9}{'others':>9}")
    for one in contestants:
        spread = f"{min(one.rates):,.0f}-{max(one.rates):,.0f}"
        times = "".join(
            f"{one.percentile(p):>{width}.1f}" for p, width in ((50, 9), (95, 7), (99, 9))
        )
        others = statistics.median(turn.others for turn in one.turns)
        print(f"{one.name:<36}{one.rate:>9,.0f}{spread:>16}{times}{others:>9.0%}")


def _print_shares(contest: Contest) -> None:
    mine = contest.service.rates
    slowest = min(contest.alone, key=lambda one: one.rate)
    own = share(mine, slowest.rates)
    wanted = f"≥ {WANTED:.2f}  {_VERDICTS[own >= WANTED]}"
    print(f"\n{contest.service.name}, as a share of …")
    print(f"  {'the slowest server alone':<50}{own:>5.2f}   {wanted}")
    if contest.both is None:
        return
    combined = together(contest.alone)
    text = f"both servers on the same cores, {statistics.median(combined):,.0f}/s reckoned"
    print(f"  {text:<50}{share(mine, combined):>5.2f}")
    text = f"both by a bare client, {contest.both.rate:,.0f}/s measured"
    print(f"  {text:<50}{share(mine, contest.both.rates):>5.2f}")


def _print_cpu(contestants: Sequence[Contestant]) -> None:
    used = set[str]().union(*(one.components for one in contestants))
    columns = [LOAD, *(name for name in _ORDER if name in used)]
    print("\nµs of CPU an operation")
    print(f"{'':<36}" + "".join(f"{name:>13}" for name in columns))
    for one in contestants:
        print(f"{one.name:<36}" + "".join(f"{one.cpu(name):>13,.0f}" for name in columns))


def _print_whose(service: Contestant) -> None:
    """Say whose CPU time it is, and whether there was any left."""
    ours, load = service.cpu(service.name), service.cpu(LOAD)
    servers = sum(service.cpu(name) for name in service.components - {service.name})
    cores = psutil.cpu_count() or 1
    filled = service.rate * (ours + servers + load) / 1e6 / cores
    print(
        f"Of a {service.name}'s operation {ours:,.0f} µs are ours, {servers:,.0f} the servers', "
        f"{load:,.0f} the load's: together {filled:.0%} of {cores} cores"
    )


def print_round_trips(counts: Iterable[RoundTrips], runs: int) -> None:
    """Print what was counted beside what was designed."""
    print(f"\nRound trips a run, counted over {runs} runs\n")
    print(f"{'':<36}{'designed':>9}{'counted':>9}{'beside them, in all':>22}")
    for one in counts:
        verdict = _VERDICTS[one.each(runs) == one.designed]
        print(
            f"{one.what:<36}{one.designed:>9}{one.each(runs):>9}{one.beside(runs):>22}  {verdict}"
        )


SWEEP_WANTED = 0.9
"""Of the speed beside few finished runs. Rounds of one and the same differ by about a tenth."""


def print_sweeps(swept: Swept) -> None:
    """Print what sweeps cost beside few finished runs and beside many, and removal."""
    few, many = swept.stores
    print(
        f"\nSweeps of {OPEN:,} open runs, {LATE} of which are late, on Cassandra\n"
        f"Writing {many.name} finished runs took {swept.filled_in:.0f} s\n"
    )
    print(f"{'':<36}{'ms':>9}{'from, to':>16}{'our CPU':>9}{'Cassandra':>11}{'queries':>9}")
    for store in swept.stores:
        times = [cost.seconds * 1e3 for cost in store.costs]
        cpu = "".join(
            f"{store.cpu_milliseconds(whose):>{width},.0f}"
            for whose, width in ((OURS, 9), (SERVERS, 11))
        )
        spread = f"{min(times):,.0f}-{max(times):,.0f}"
        name = f"{store.name} finished"
        print(f"{name:<36}{store.milliseconds:>9,.0f}{spread:>16}{cpu}{store.asked:>9,.0f}")
    share = many.share_of(few)
    wanted = f"≥ {SWEEP_WANTED:.2f}  {_VERDICTS[share >= SWEEP_WANTED]}"
    print(f"{'many finished against few':<36}{share:>9.2f}   {wanted}")
    _print_removal(swept.removal)


def _print_removal(removal: RemovalCost) -> None:
    cpu = ", ".join(f"{spent:,.0f} µs {whose}" for whose, spent in removal.cpu.items())
    print(
        f"\nRemoval beside them\n"
        f"a round with nothing to remove    {removal.idle_milliseconds:.1f} ms, "
        f"{removal.idle_queries} queries\n"
        f"records removed                   {removal.rate:,.0f}/s, each {cpu}\n"
        f"p99 of an accept                  {removal.accept_alone:.1f} ms alone, "
        f"{removal.accept_beside:.1f} ms beside removal"
    )
