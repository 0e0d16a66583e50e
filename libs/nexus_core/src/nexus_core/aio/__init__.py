"""Plumbing for asyncio: clocks, watched tasks, rate limits, back-off."""
