"""What a service tells of its own API: an OpenAPI document for machines, a page for people.

Both come of the same endpoints that are served, so here is no word about any single one of them:
`openapi` writes the document, `shapes` the schemas in it, and `pages` serves it together with
`page.html`, `page.css` and `page.js`, which need nothing from elsewhere.
"""

from nexus_core.web.documentation.pages import add_documentation

__all__ = ["add_documentation"]
