"""The checkpoint store in Cassandra, or in what speaks its language: Scylla, Astra DB, Keyspaces.

Here lives all that knows CQL: the statements, the rows, the schema, and two drivers behind one
narrow session. `CqlSession` is opened first; the port classes are thin views of it. The drivers are
imported in `acsylla_session` and `datastax_session` alone, so that the one we don't use is not
needed.
"""
