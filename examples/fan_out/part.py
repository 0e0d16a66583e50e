"""Adds up its part of the numbers: the child that `fan-out` starts.

It takes the URL of its payload and its request id as arguments of the command, as its template asks
for, to show the other way: the environment holds both as well.
"""

import argparse
from typing import Any

from examples.nexus_run import Run


def add_up(payload: dict[str, Any]) -> dict[str, float]:
    """Return the sum of `{"numbers": [...]}`."""
    return {"sum": sum(payload["numbers"])}


def main() -> None:
    """Run with `--sas-uri=<payload URL> --request-id=<id>`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sas-uri", required=True, help="where the payload is")
    parser.add_argument("--request-id", required=True, help="the id of this run")
    arguments = parser.parse_args()
    Run(payload_url=arguments.sas_uri, request_id=arguments.request_id).answer(add_up)


if __name__ == "__main__":
    main()
