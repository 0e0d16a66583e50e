"""Values that people give to the chart of the services."""

from typing import Any

STORES: dict[str, Any] = {
    "cassandra": {"hosts": ["cassandra.test"], "localDc": "dc1", "existingSecret": "cassandra"},
    "s3": {"path": "s3a://bucket/nexus", "region": "eu-central-1", "existingSecret": "s3"},
    "callback": {"existingSecret": "nexus-keys"},
}
OWN: dict[str, dict[str, Any]] = {
    "single-cluster": STORES,
    "controller": {
        **STORES,
        "cluster": {"shards": {"existingSecret": "shards"}},
        "urls": {"receiver": "http://nexus-receiver.nexus:8081"},
    },
    "shard": {
        **STORES,
        "cluster": {"name": "eu-1"},
        "urls": {"scheduler": "https://nexus.example.com"},
    },
}
"""What somebody puts on top of each preset."""

EVERYTHING: dict[str, Any] = {
    **STORES,
    "image": {"registry": "registry.test/nexus", "pullSecrets": ["registry"]},
    "runtimeNamespace": "runs",
    "templatesNamespace": "templates",
    "cluster": {"name": "main"},
    "cassandra": {
        **STORES["cassandra"],
        "port": 9142,
        "tls": {
            "existingSecret": "cassandra-tls",
            "keys": {"certificate": "tls.crt", "key": "tls.key"},
        },
    },
    "s3": {**STORES["s3"], "endpoint": "https://s3.test", "tls": {"existingSecret": "s3-ca"}},
    "signing": {"existingSecret": "nexus-keys"},
    "apiTokens": {"existingSecret": "nexus-keys"},
    "settings": {"log-level": "debug", "s3-buffer": {"buffer-config": {"workers": 20}}},
    "scheduler": {
        "autoscaling": {"enabled": True},
        "settings": {"lease-duration": "20s", "s3-buffer": {"buffer-config": {"workers": 30}}},
        "podLabels": {"team": "science"},
    },
    "receiver": {"autoscaling": {"enabled": True}},
    "supervisor": {"settings": {"sweep": {"interval": "5s"}}},
    "controllerAccess": {"create": True, "token": True},
    "schema": {"createKeyspace": True, "afterUpgrade": True},
    "networkPolicy": {
        "clients": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
        "scrapers": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}],
        "egress": {"enabled": True, "to": [{"ports": [{"port": 9042}]}]},
    },
    "monitoring": {
        "serviceMonitor": {"enabled": True},
        "rules": {"enabled": True, "runbooks": "https://docs.test/nexus/"},
        "dashboards": {"enabled": True},
    },
}
