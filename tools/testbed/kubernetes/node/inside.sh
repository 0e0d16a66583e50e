#!/bin/sh
# What runs in a node's namespaces. Arguments: the node's folder, the kubelet, the cgroup, then the
# kubelet's flags.
set -eu
folder=$1 kubelet=$2 cgroup=$3
shift 3

# What would be written to the system's folders goes away with the node.
mount -t tmpfs node /run
mkdir -p /var/lib/kubelet
mount -t tmpfs node /var/lib/kubelet
mount -t tmpfs node /var/log

# A kubelet sets flags of the kernel, for the whole machine, unless it finds them set.
(cd "$folder/kernel" && find . -type f) | while read -r flag; do
    if [ -e "/proc/sys/$flag" ]; then
        mount --bind "$folder/kernel/$flag" "/proc/sys/$flag"
    fi
done

# Version 1 of cgroups has a hierarchy a controller; version 2 has one.
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    mkdir -p "/sys/fs/cgroup/$cgroup"
else
    for hierarchy in /sys/fs/cgroup/*/; do
        mkdir -p "$hierarchy$cgroup"
    done
    # Nothing may run in a new one of these until it is told where.
    for part in cpus mems; do
        cat "/sys/fs/cgroup/cpuset/cpuset.$part" > "/sys/fs/cgroup/cpuset/$cgroup/cpuset.$part"
    done
fi

containerd --config "$folder/containerd.toml" > "$folder/containerd.log" 2>&1 &
tries=0
until ctr version > /dev/null 2>&1; do
    tries=$((tries + 1))
    if [ "$tries" -gt 300 ]; then
        echo "containerd does not answer; see $folder/containerd.log" >&2
        exit 1
    fi
    sleep 0.1
done
for archive in "$folder"/images.tar*; do
    ctr --namespace k8s.io images import "$archive"
    rm "$archive"
done
exec "$kubelet" "$@"
