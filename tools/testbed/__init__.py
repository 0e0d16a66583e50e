"""A testbed of real servers, without a container engine: Cassandra, S3, Kubernetes.

Run as `python -m tools.testbed up|down|status [cassandra|s3|kubernetes …]`. Here belongs what
starts those servers on the loopback of one machine, from packages of registries whose versions are
pinned, and what describes them to tests. What they are used for does not: no test, no schema, no
adapter.

- `places`: the folders; the only file that reads the environment
- `description`: what `testbed.json` says about running servers
- `processes`, `one_process`, `ports`, `certificates`, `builds`, `tools`: what the rooms of servers
  stand on
- `servers`: which servers there are, and what each of their rooms offers
- `commands`, `__main__`: bringing them up and down
- a room a server; each is also a library for tests that need a server of their own to kill
"""
