"""The engine as `up` sees it, when it is asked for."""

from tools.testbed.builds import Say
from tools.testbed.description import EngineDescription
from tools.testbed.engine.server import address, programs, start_engine
from tools.testbed.places import Places


class EngineRoom:
    """A Docker engine of the testbed's own."""

    async def install(self, places: Places, say: Say) -> None:
        """Fetch its programs, or find them in the cache."""
        await programs(places.cache, say)

    async def start(self, places: Places, say: Say) -> EngineDescription:
        """Start the engine and describe it."""
        folder = places.server("engine")
        parts = await programs(places.cache, say)
        process = await start_engine(folder, places.cache / "engine-data", parts)
        return EngineDescription(host=address(folder), client=parts.client, pid=process.pid)
