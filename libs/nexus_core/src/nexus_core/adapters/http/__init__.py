"""What services tell each other over HTTP, on aiohttp's client."""
