#!/bin/sh
# Starts Cassandra with the variables that its official image knows.
set -eu
# JVM_EXTRA_OPTS holds several options.
# shellcheck disable=SC2086
exec java @/opt/cassandra/jvm.options "-Xms$MAX_HEAP_SIZE" "-Xmx$MAX_HEAP_SIZE" \
    -Dcassandra.storagedir=/var/lib/cassandra -Dlogback.configurationFile=/opt/cassandra/logback.xml \
    ${JVM_EXTRA_OPTS:-} -cp '/opt/cassandra/lib/*' org.apache.cassandra.service.CassandraDaemon
