"""The days and minutes that tables are parted by, all in UTC."""

from datetime import UTC, datetime


def day_of(time: datetime) -> datetime:
    """Return when the day of a time began."""
    return time.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def minute_of(time: datetime) -> datetime:
    """Return when the minute of a time began."""
    return time.astimezone(UTC).replace(second=0, microsecond=0)
