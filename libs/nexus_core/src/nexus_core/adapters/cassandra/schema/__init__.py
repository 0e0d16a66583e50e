"""The schema as numbered steps of CQL, what applies them, and what tells whether they are there.

`cql` holds the steps, which `deploy/cassandra` shows to who looks for them. The statements of a
step are safe to repeat, since whoever applies one may die in the middle of it.
"""
