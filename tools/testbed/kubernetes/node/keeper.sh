#!/bin/sh
# Holds a node's namespaces, and clears away its cgroups when it ends. Arguments: the cgroup, then
# what to run inside.
cgroup=$1
shift

# Should this process be killed, the node goes with it: nobody else would ever end it.
setpriv --pdeathsig KILL \
    unshare --mount --pid --fork --kill-child --mount-proc --propagation private "$@" &
node=$!
trap 'kill -KILL $node' TERM INT
wait $node
# Interrupted by the signal, it has not waited yet.
wait $node

for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/*; do
    if [ -d "$hierarchy/$cgroup" ]; then
        find "$hierarchy/$cgroup" -depth -type d -exec rmdir {} +
    fi
done
