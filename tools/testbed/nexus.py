"""The settings that lead the services to the servers of a testbed.

For tests, for the bench, and for who wants to try the services on real servers by hand.
"""

from tools.testbed.description import Description
from tools.testbed.errors import TestbedError


def settings_for(description: Description, keyspace: str) -> dict[str, str]:
    """Return environment variables for scheduler, receiver and supervisor.

    The keyspace must have its schema; payloads go below a prefix of the same name.

    Raises:
        TestbedError: A server does not run.
    """
    cassandra, s3, kubernetes = description.cassandra, description.s3, description.kubernetes
    if cassandra is None or s3 is None or kubernetes is None:
        raise TestbedError("the testbed is not complete: make testbed-up")
    return {
        "NEXUS__CQL_STORE_TYPE": "scylla",
        "NEXUS__SCYLLA_CQL_STORE__HOSTS": cassandra.host,
        "NEXUS__SCYLLA_CQL_STORE__PORT": str(cassandra.port),
        "NEXUS__SCYLLA_CQL_STORE__USER": cassandra.user,
        "NEXUS__SCYLLA_CQL_STORE__PASSWORD": cassandra.password,
        "NEXUS__SCYLLA_CQL_STORE__LOCAL_DC": cassandra.local_dc,
        "NEXUS__SCYLLA_CQL_STORE__KEYSPACE": keyspace,
        "NEXUS__SCYLLA_CQL_STORE__INDEXES_SUPPORTED": "true",
        "NEXUS__S3_BUFFER__PAYLOAD_STORAGE_PATH": f"s3a://{s3.bucket}/{keyspace}",
        "NEXUS__S3_BUFFER__ACCESS_KEY_ID": s3.access_key_id,
        "NEXUS__S3_BUFFER__SECRET_ACCESS_KEY": s3.secret_access_key,
        "NEXUS__S3_BUFFER__REGION": s3.region,
        "NEXUS__S3_BUFFER__ENDPOINT": s3.endpoint,
        "NEXUS__KUBE_CONFIG_PATH": kubernetes.nexus_kubeconfig,
        "NEXUS__SHARD_KUBE_CONFIG_PATH": kubernetes.shards_folder,
        "NEXUS__RUNTIME_NAMESPACE": kubernetes.namespace,
        "NEXUS__DEPLOY_NAMESPACE": kubernetes.deploy_namespace,
        "NEXUS__CALLBACK__SECRET": "known to all three",
    }
