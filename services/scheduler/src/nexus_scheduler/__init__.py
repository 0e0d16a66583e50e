"""The scheduler: the public API, the launch queue, and nothing that another service needs."""
