"""A real node: kubelet, containerd and runc, and an image in which the examples run as real pods.

Only on Linux, as root, where packages are Debian's. All of it lives in one pid and mount namespace,
which takes everything along when it ends: containers, mounts, what a kubelet writes to the system.

- `machine`: whether this one can have a node
- `packages`: containerd, runc, CNI's loopback and debootstrap, unpacked and not installed
- `image`: a Debian with Python, and the examples on top of it
- `configuration`: the settings of containerd and kubelet
- `rules`: what the cluster must know of the node
- `keeper.sh`, `inside.sh`: the process that holds the namespaces, and what runs in them
- `real_node`: starting it; `room`: the same as `up` sees it
"""
