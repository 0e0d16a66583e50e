"""Opening adapters as the settings name them. For composition roots alone.

What a service works with is chosen here, in one place for all services, and nowhere else.
"""
