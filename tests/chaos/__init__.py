"""Chaos: whole services as processes, a load of every kind of ending, and all that goes wrong.

Here belongs what `make chaos` runs. `orders` (what clients want) and `deeds` (what is done to the
services) are pure functions of a seed; `clients` and `mischief` carry them out on a `world`, of
which there is one for each kind of backends; `launcher` brings into a service's process what can't
be done from outside; `history` keeps what everybody did and saw, and `rules`, pure again, say what
of it must never be.
"""
