"""A Docker engine: one that answers on this machine, or else one of the testbed's own.

The latter is Debian's, unpacked and not installed. What it built stays in the cache, so that only
the first build is slow; all else of it goes when it is stopped. It leaves the firewall alone, in
which another engine may have its rules: its containers reach each other and this machine, not the
world.
"""
