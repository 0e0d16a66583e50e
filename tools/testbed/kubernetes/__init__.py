"""Kubernetes: a real control plane, and KWOK in place of kubelets.

- `programs/`: the Go module that pins all versions; built by `binaries`
- `outcomes`: what pods may do, and the annotations that ask for it
- `stages`, `pod_status`: how KWOK does it
- `flags`: the command lines, with every value that differs from a default
- `kubeconfig`, `api`: files for clients, and the little client that the testbed itself needs
- `control_plane`: etcd and an API server, to be killed and frozen by tests
- `cluster`: the whole of it, with controllers, scheduler, KWOK, namespaces, rights
- `room`: the same as `up` sees it
"""
