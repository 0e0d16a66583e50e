"""What lies in plain folders: the embedded payload store, and the catalogue of YAML manifests.

Here lives all that touches files for a port: durable writes, their worker threads, reading
manifests and watching them change.
"""
