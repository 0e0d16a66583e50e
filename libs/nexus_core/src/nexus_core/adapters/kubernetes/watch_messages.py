"""What an API server says to who lists objects, and to who watches them."""

from typing import TypeVar

import msgspec

from nexus_core.adapters.kubernetes.answers import Status
from nexus_core.adapters.kubernetes.objects import ObjectMeta

D = TypeVar("D")


class Interruption(Exception):  # noqa: N818 - no error: the ordinary end of a watch, and never leaves it
    """Why a watch is interrupted. `forgotten`: the server no longer knows the version."""

    def __init__(
        self, why: str, *, forgotten: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(why)
        self.forgotten = forgotten
        self.retry_after = retry_after


class Head(msgspec.Struct, frozen=True):
    """An object of any kind, as far as it is known by its name and version alone."""

    metadata: ObjectMeta


class ListMeta(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Where in its history a collection was listed, and where the next page begins."""

    resource_version: str
    continue_: str = msgspec.field(default="", name="continue")


class Page(msgspec.Struct, frozen=True):
    """Some of the objects of a collection."""

    metadata: ListMeta
    items: list[msgspec.Raw] | None = None


class Event(msgspec.Struct, frozen=True):
    """A line of a watch: what happened to an object, or a `Status` where the type is `ERROR`."""

    type: str
    object: msgspec.Raw


HEADS = msgspec.json.Decoder(Head)
PAGES = msgspec.json.Decoder(Page)
EVENTS = msgspec.json.Decoder(Event)
STATUSES = msgspec.json.Decoder(Status)


def decoded(decoder: msgspec.json.Decoder[D], text: bytes | msgspec.Raw, watch: str) -> D:
    """Return what was said to a watch of this name.

    Raises:
        Interruption: no API server says that.
    """
    try:
        return decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        start = " ".join(bytes(text)[:80].decode(errors="replace").split())
        raise Interruption(f"{watch}: no answer of an API server: {start!r}") from error
