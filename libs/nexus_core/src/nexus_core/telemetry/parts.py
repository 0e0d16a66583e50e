"""What is said in the log of a part that somebody looked at."""

import structlog

log = structlog.get_logger()


def say_how_it_is(part: str, trouble: str) -> None:
    """Write that a part can't be used, and why; or, without a trouble, that it can again."""
    if trouble:
        log.warning("part is not ready", part=part, reason=trouble)
    else:
        log.info("part is ready again", part=part)
