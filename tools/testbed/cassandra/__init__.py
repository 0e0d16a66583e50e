"""Apache Cassandra, from its Maven artifacts, on Java 17.

Here belongs how the server is fetched, configured, started and given its users; `server` is also
for tests that want one of their own to kill. What is kept in it does not: no keyspace, no table.

- `pom.xml`: which versions
- `jvm.options`, `logback.xml`, `configuration`: how it runs
- `distribution`: fetching it into the cache
- `cql`: speaking its protocol
- `roles`: the users, and whether it answers
- `server`: one Cassandra in a folder
- `room`: what `up` calls
"""
