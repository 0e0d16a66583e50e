"""Queries that several panels ask."""

from tools.dashboards.panels import Query

REQUESTS = "nexus_http_request_duration_seconds"
RUN = '"/algorithm(/v1)?/run/.+"'
COMPLETE = '"/algorithm(/v1)?/complete/.+"'


def rate(series: str, matchers: str = "", by: str = "") -> str:
    """Return what a counter gains a second, of all processes together."""
    chosen = f"{{{matchers}}}" if matchers else ""
    grouped = f" by ({by}) " if by else ""
    return f"sum{grouped}(rate({series}{chosen}[$__rate_interval]))"


def quantiles(histogram: str, matchers: str = "") -> tuple[Query, ...]:
    """Return the median of a histogram, and what one in twenty and one in a hundred exceeds."""
    by_bound = rate(f"{histogram}_bucket", matchers, "le")
    return tuple(
        Query(f"histogram_quantile({share}, {by_bound})", name)
        for share, name in (("0.5", "p50"), ("0.95", "p95"), ("0.99", "p99"))
    )
