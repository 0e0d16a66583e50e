"""What `make bench-real` measures: the services on real servers, beside what those take alone.

The servers are the testbed's. Services, load and servers share the machine, so what is compared
with a service takes turns with it: the same requests, sent to the same server by a client that does
nothing else. A keyspace, a namespace and a prefix in the bucket are made for it, and removed.
"""
