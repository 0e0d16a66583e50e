"""Makers of kubeconfig files."""

import base64
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import trustme
import yaml

from tools.testbed.description import KubernetesDescription


def a_kubeconfig(path: Path, server: str, *, ca: bytes = b"", **user: Any) -> Path:
    """Write a kubeconfig of one context, whose user has the given fields (`_` for `-`)."""
    cluster: dict[str, Any] = {"server": server}
    if ca:
        cluster["certificate-authority-data"] = base64.b64encode(ca).decode()
    tree = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [{"name": "eu", "cluster": cluster}],
        "contexts": [{"name": "here", "context": {"cluster": "eu", "user": "me"}}],
        "users": [{"name": "me", "user": {k.replace("_", "-"): v for k, v in user.items()}}],
    }
    path.write_text(yaml.safe_dump(tree))
    return path


def lead_through(kubernetes: KubernetesDescription, url: str, folder: Path) -> Path:
    """Write the kubeconfigs of the shards anew, with another URL; return their folder."""
    for file in Path(kubernetes.shards_folder).glob("*.kubeconfig"):
        text = file.read_text("utf-8").replace(kubernetes.endpoint, url)
        (folder / file.name).write_text(text, "utf-8")
    return folder


def a_plugin(folder: Path, script: str, **more: Any) -> dict[str, Any]:
    """Write an exec plug-in of a few lines of Python; return the section that names it."""
    file = folder / "plugin.py"
    file.write_text(script)
    return {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": [str(file)],
        **more,
    }


PRINT = """\
import json, os, pathlib, sys
def say(**status):
    print(json.dumps({"apiVersion": "client.authentication.k8s.io/v1",
                      "kind": "ExecCredential", "status": status}))
def count():
    file = pathlib.Path(__file__).with_suffix(".count")
    number = int(file.read_text()) + 1 if file.exists() else 1
    file.write_text(str(number))
    return number
"""
"""What the scripts of plug-ins begin with."""


def a_client_certificate(authority: trustme.CA, *, expired: bool = False) -> tuple[bytes, bytes]:
    """Return a certificate and its key, as PEM."""
    over = datetime.now(UTC) - timedelta(days=1) if expired else None
    issued = authority.issue_cert(
        "client.test", not_before=datetime(2020, 1, 1, tzinfo=UTC), not_after=over
    )
    return b"".join(b.bytes() for b in issued.cert_chain_pems), issued.private_key_pem.bytes()
