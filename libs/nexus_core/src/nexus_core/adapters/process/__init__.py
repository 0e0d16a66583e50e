"""The process cluster: port `Cluster` on the processes of this machine.

Here belongs what turns the Job of a run into processes. `cluster` holds the Jobs, `job` lives one
Job's life, `shim` starts and finds the processes of a try, `pod` holds on to them, `sessions` looks
at them. What they decide is pure and apart: `manifest` reads a Job, `state` says where one is,
`policy` what the end of a try means. `folder` keeps it on disk; `places`, `alarms`, `memory` and
`feed` are the small parts that all Jobs share, in a `machine`.

Kubernetes' words are used for what behaves like Kubernetes. A pod is a session of processes under a
shim. It has no image, no volume and no node: those parts of a manifest are ignored on purpose.
"""
