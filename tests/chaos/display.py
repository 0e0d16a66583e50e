"""What a person sees: what is going on, line by line, and in the end a verdict."""

import sys
from collections import Counter
from collections.abc import Sequence
from typing import TextIO

from chaos.clients import Clients
from chaos.deeds import Act
from chaos.mischief import Mischief
from chaos.outcome import Outcome
from chaos.rules import RULES, Violation
from chaos.world import World


class Display:
    """Prints for a terminal; every line stands for itself, so that a log reads as well."""

    def __init__(self, out: TextIO = sys.stdout) -> None:
        self._out = out

    def say(self, *lines: str) -> None:
        for line in lines:
            print(line, file=self._out, flush=True)

    def progress(self, clients: Clients, mischief: Mischief, seconds: float) -> None:
        """Say how far it has come, and what goes wrong just now."""
        done = mischief.done
        now = ", ".join(f"{deed.act} {deed.target}" for deed in mischief.under_way.values())
        self.say(
            f"{seconds:6.0f} s  {_accepted(clients.outcomes):5} accepted {clients.finished:5} ended"
            f"  {done[Act.KILL]:3} kills {done[Act.FREEZE]:3} freezes"
            f" {done[Act.CUT] + done[Act.STICK]:3} cuts  {now or 'calm'}"
        )

    def verdict(
        self, world: World, outcomes: Sequence[Outcome], mischief: Mischief, found: list[Violation]
    ) -> None:
        """Say what was done, what came of it, and which rules hold."""
        self.say("", "What was done")
        self.say(*(f"  {act:<12} {mischief.done[act]:5}" for act in Act))
        for name, service in world.services.items():
            more = f", could not start {service.refused} times" if service.refused else ""
            self.say(f"  {name:<12} started {service.starts} times{more}")
            self.say(*(f"    {n:5} x {what}" for what, n in service.surprises().most_common(5)))
        self.say("", f"What {len(outcomes)} clients were told")
        ends = Counter(
            (outcome.algorithm, ending.stage) for outcome in outcomes for ending in outcome.told
        )
        self.say(*(f"  {kind:<28} {stage:<18} {n:5}" for (kind, stage), n in sorted(ends.items())))
        broken = Counter(violation.rule for violation in found)
        self.say("", "Rules")
        for rule in dict.fromkeys([*RULES, *broken]):
            self.say(f"  {'BROKEN' if broken[rule] else 'holds ':<7} {rule}")


def _accepted(outcomes: Sequence[Outcome]) -> int:
    return sum(bool(outcome.answers) for outcome in outcomes)
