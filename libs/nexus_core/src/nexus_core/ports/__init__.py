"""What Nexus needs of the outside, a Protocol a file, at the height of the domain.

The docstrings are the specification for those who write an adapter; `tests/contract` holds every
adapter to them. All methods may raise `UnavailableError` when the technology behind can't be
reached or answers too late. A write that was cancelled or that raised it is *unknown*: it may have
happened, and repeating it must be harmless.
"""
