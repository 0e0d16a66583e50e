"""Adapters: a folder a technology, a file a port. A driver is imported here and nowhere else.

Only composition roots import from here.
"""
