"""What `make bench` measures: speed and memory, as ratios to a bare handler within one run.

Machines differ and are noisy, ratios within a run much less so. Servers share one core, the load
comes from another one; each figure is the median over rounds in which all servers take turns.
"""
