"""Adapters that do nothing, for parts that a deployment goes without."""
