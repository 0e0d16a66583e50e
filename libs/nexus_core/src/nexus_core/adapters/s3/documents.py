"""The few XML documents of S3 that are read and written here."""

from collections.abc import Sequence
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


def texts_of(document: bytes) -> dict[str, str]:
    """Return the texts of a document's first level by their names; none when it is no XML."""
    # Entities are declared in a document type; S3 sends none, and who does is up to something.
    if b"<!DOCTYPE" in document:
        return {}
    try:
        root = ET.fromstring(document.strip())  # noqa: S314 - without a document type, no entities
    except ET.ParseError:
        return {}
    texts = {child.tag.rpartition("}")[2]: (child.text or "").strip() for child in root}
    # An error may come in the place of what was asked for, with a status of success.
    if root.tag.rpartition("}")[2] == "Error":
        texts.setdefault("Code", "InternalError")
    return texts


def completion(etags: Sequence[str]) -> bytes:
    """Return the document that puts an upload's parts together, in their order."""
    parts = "".join(
        [
            f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(etag)}</ETag></Part>"
            for number, etag in enumerate(etags, 1)
        ]
    )
    return (
        f'<CompleteMultipartUpload xmlns="{_NAMESPACE}">{parts}</CompleteMultipartUpload>'
    ).encode()
