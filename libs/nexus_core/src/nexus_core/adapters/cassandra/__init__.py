"""The checkpoint store in Cassandra, or in what speaks its language: Scylla, Astra DB, Keyspaces.

Here lives all that knows CQL: the statements, the rows, the schema, and two drivers behind one
narrow session. `CqlSession` is opened first; the port classes are thin views of it. The drivers are
imported in `acsylla_driver` and `datastax_driver` alone, so that the one we don't use is not
needed.

- `session`, `errors`: what the stores ask of a driver; `connect` opens one, and the modules around
  it make two drivers alike
- `schema`: the tables, step by step
- `statements`, `rows`: every statement, and what stands in the columns
- `checkpoint_store`, `run_index`, `lease_store`: the ports; `stores` puts them together
- `first_write`, `first_wins`: how a run is accepted; `submissions`, `fences`: with a key
- `lookups` and its two kinds: by tag and host, with indexes and without
- `open_runs`, `open_parts`, `finished_runs`, `merged_pages`: where runs are filed and read in order
- `tidier`, `moves`, `turns`, `filing`, `adopter`: what keeps those small, on the way of a sweep
"""
