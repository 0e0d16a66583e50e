"""The process cluster: port `Cluster` on the processes of this machine.

Here belongs what turns the Job of a run into a process group: `cluster` holds the Jobs, `job` lives
one Job's life, `pod` starts, finds and signals the processes of one try. What they decide is pure
and apart: `manifest` reads a Job, `state` says where one is, `policy` what the end of a try means,
`story` what of it is told. `folder` keeps it on disk; `places`, `alarms`, `memory` and `feed` are
the small parts that all Jobs share.

Kubernetes' words are used for what behaves like Kubernetes. A pod is a process group in a session
of its own. It belongs to no image, no volume and no node: those parts of a manifest are ignored.
"""
