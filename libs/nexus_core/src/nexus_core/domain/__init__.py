"""What Nexus knows and decides: values and pure functions.

Nothing here waits, reads a clock, draws a random number, or touches a disk or a socket.
"""
