"""Kubernetes: the port `Cluster` on Jobs, and the port `Catalogue` on custom resources.

Here belongs whatever speaks to an API server. `connection` sends requests and opens streams, with
what `credentials` keep fresh; those come from a `kubeconfig` file (and the `exec_plugin` it may
name) or from the pod that this runs in (`in_cluster`). `watch` is the one way to follow objects.

Requests go out as bytes over a session of our own, and of answers those fields are decoded that are
needed: generated model classes would cost ten times as much (decision 0015).
"""
