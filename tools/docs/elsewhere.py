"""Refuses addresses of other places that can't be meant: the network is not asked."""

from urllib.parse import urlsplit

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

_LOG = logging.getLogger(__name__)


def setup(app: Sphinx) -> dict[str, bool]:
    """Take part in a build."""
    app.connect("doctree-read", _check)
    return {"parallel_read_safe": True}


def _check(app: Sphinx, page: nodes.document) -> None:
    del app
    for link in page.findall(nodes.reference):
        address = link.get("refuri", "")
        if "://" in address and not well_formed(address):
            _LOG.warning("no address of the web: %s", address, location=link)


def well_formed(address: str) -> bool:
    """Tell whether an address could be asked for."""
    try:
        parts = urlsplit(address)
        port_is_one = parts.port != 0
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and port_is_one
