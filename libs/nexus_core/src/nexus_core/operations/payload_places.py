"""Which store has the payload of a run: there may be two of them."""

from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.names import RunKey
from nexus_core.ports.payload_store import Content, PayloadStore, Stored


class PayloadPlaces:
    """The payload store, and the one of payloads that are serialized to the `backend`.

    `buffered` is None where the checkpoint store has no room for payloads: all go to one place.
    """

    def __init__(self, payloads: PayloadStore, buffered: PayloadStore | None) -> None:
        self._payloads = payloads
        self._buffered = buffered

    def of(self, serialization: str) -> PayloadStore:
        """Return the store for a payload, by the `payloadSerialization` of its run."""
        if serialization == "backend" and self._buffered is not None:
            return self._buffered
        return self._payloads

    async def find(self, key: RunKey) -> Stored | None:
        """Open the payload of a run, wherever it is; None when it is nowhere.

        A signed URL doesn't say which, and need not be one of ours. The buffer comes first: most
        payload stores serve their own themselves, so what is asked for here is likely there.

        Raises:
            UnavailableError: a place that may have it can't be used now.
        """
        if self._buffered is None:
            return await self._payloads.get(Content.PAYLOAD, key)
        try:
            found = await self._buffered.get(Content.PAYLOAD, key)
        except UnavailableError:
            # One that is away is no reason to keep back what the other one has.
            found = await self._payloads.get(Content.PAYLOAD, key)
            if found is None:
                raise
            return found
        return found or await self._payloads.get(Content.PAYLOAD, key)
