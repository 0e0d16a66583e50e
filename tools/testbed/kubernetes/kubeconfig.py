"""Kubeconfig files; each holds all it needs, so that it can be copied elsewhere."""

import base64
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tools.testbed.certificates import Certificate


class Endpoint(NamedTuple):
    """An API server, as its clients see it."""

    url: str
    ca: Path


def with_certificate(
    endpoint: Endpoint, certificate: Certificate, *, cluster: str, namespace: str = "default"
) -> str:
    """Return a kubeconfig that logs in by a client certificate."""
    user = {
        "client-certificate-data": _data(certificate.certificate),
        "client-key-data": _data(certificate.key),
    }
    return _render(endpoint, user, cluster, namespace)


def with_token(endpoint: Endpoint, token: str, *, cluster: str, namespace: str) -> str:
    """Return a kubeconfig that logs in by a bearer token."""
    return _render(endpoint, {"token": token}, cluster, namespace)


def write(path: Path, content: str) -> Path:
    """Write a kubeconfig, for its owner alone: clients warn of others, and it is a key."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(content)
    return path


def _render(endpoint: Endpoint, user: dict[str, str], cluster: str, namespace: str) -> str:
    server = {
        "server": endpoint.url,
        "certificate-authority-data": _data(endpoint.ca),
    }
    context = {"cluster": cluster, "user": cluster, "namespace": namespace}
    content: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster, "cluster": server}],
        "users": [{"name": cluster, "user": user}],
        "contexts": [{"name": cluster, "context": context}],
        "current-context": cluster,
    }
    return yaml.safe_dump(content, sort_keys=False)


def _data(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
