"""Serving the document and the page."""

from collections.abc import Sequence
from importlib.resources import files

import msgspec
from aiohttp import web

from nexus_core.web.documentation.openapi import openapi_document
from nexus_core.web.endpoints import Family

# The page takes everything from here and runs no script but its own, so that nothing that stands
# in the document or in an answer can act on behalf of who reads it.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # After an upgrade, a page must not work with yesterday's script.
    "Cache-Control": "no-cache",
}

_PARTS = {
    "/docs": ("page.html", "text/html"),
    "/docs/page.css": ("page.css", "text/css"),
    "/docs/page.js": ("page.js", "text/javascript"),
}


def add_documentation(app: web.Application, title: str, families: Sequence[Family]) -> None:
    """Serve `/openapi.json`, written once and now, and `/docs`, the page that shows it."""
    document = msgspec.json.encode(openapi_document(title, families))
    _serve(app, "/openapi.json", document, "application/json")
    for path, (name, content_type) in _PARTS.items():
        part = files(__package__).joinpath(name).read_bytes()
        _serve(app, path, part, content_type)


def _serve(app: web.Application, path: str, body: bytes, content_type: str) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(
            body=body,
            content_type=content_type,
            charset=None if content_type == "application/json" else "utf-8",
            headers=_HEADERS,
        )

    app.router.add_get(path, handler)
