"""Asks a running Nexus for a tour of berlin52 and draws it: what `make demo` does.

This is the other side of an algorithm: a client. It submits `request.json`, waits for the run to
finish, and fetches its result. Where that can't be, it says why in one line and ends with exit
code 1.
"""

import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

NEXUS_URL = os.environ.get("NEXUS_URL", "http://127.0.0.1:8080").rstrip("/")
REQUEST = Path(__file__).with_name("request.json")

TIMEOUT_SECONDS = 45.0
"""For one request; longer than the 30 seconds that Nexus may hold the question for a result."""

PATIENCE_SECONDS = 180.0
"""For the run: two seconds of search, and a generous wait for its turn."""

UNFINISHED = frozenset({"NEW", "BUFFERED", "RUNNING"})

WIDTH = 76
"""Columns of text and map, so that both fit into the classic terminal of 80."""

HEIGHT = 30
"""Rows of the map, at most."""

DOTS_ACROSS, DOTS_DOWN = 2, 4
"""A braille character is a picture of two by four dots."""

BRAILLE = 0x2800
BRAILLE_BITS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""The bit of each dot in the character's code: by column, then by row."""

Point = tuple[int, int]


class DemoError(Exception):
    """Why there is no tour to show, in one line."""


def main() -> None:
    """Run the demo; see the module."""
    try:
        request = json.loads(REQUEST.read_bytes())
        show(request["algorithmParameters"]["places"], fetch_tour(request))
    except DemoError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


def fetch_tour(request: dict[str, Any]) -> dict[str, Any]:
    """Submit the run, wait until it has finished, and return its result."""
    run_id = ask(f"{NEXUS_URL}/algorithm/run/tsp", request)["requestId"]
    print(f"Submitted {run_id} to {NEXUS_URL}")
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    status = ""
    while time.monotonic() < give_up_at:
        run = ask(f"{NEXUS_URL}/algorithm/results/tsp/requests/{run_id}?wait=30s")
        if run["status"] != status:
            status = run["status"]
            print(f"  {status}")
        if status == "COMPLETED":
            return ask(run["resultUri"])
        if status not in UNFINISHED:
            raise DemoError(f"The run ended as {status}: {run.get('runErrorMessage', '')}")
        time.sleep(0.2)
    raise DemoError(f"The run is still {status} after {PATIENCE_SECONDS:.0f} seconds")


def ask(url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """GET a URL of Nexus, or POST to it, and return the JSON that it answers."""
    content = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    # No proxy: Nexus runs on this machine, and a proxy would look for it on its own.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        # S310 warns of file: URLs; whoever sets NEXUS_URL may read their own files.
        request = urllib.request.Request(url, content, headers)  # noqa: S310
        with direct.open(request, timeout=TIMEOUT_SECONDS) as answer:
            known: dict[str, Any] = json.load(answer)
            return known
    except urllib.error.HTTPError as error:
        with error:
            said = error.read(500).decode(errors="replace")
        raise DemoError(f"{url} answered {error.code}: {said}") from error
    except urllib.error.URLError as error:
        raise DemoError(
            f"Nothing answers at {NEXUS_URL}: start Nexus with `make run` in another terminal"
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise DemoError(f"{NEXUS_URL} broke off: {error}") from error
    except ValueError as error:
        raise DemoError(f"{NEXUS_URL} does not seem to be a Nexus: {error}") from error


def show(places: Sequence[dict[str, Any]], result: dict[str, Any]) -> None:
    """Print the tour as figures, as a map, and as an order of places."""
    points = {place["name"]: (place["x"], place["y"]) for place in places}
    tour = [points[name] for name in result["tour"]]
    print(
        f"\nA tour of {len(tour)} places,"
        f" found in {result['iterations']} iterations and {result['seconds']:.1f} seconds\n"
        f"  length {result['length']}, best known {result['bestKnownLength']},"
        f" gap {result['gapPercent']:.2f} %\n"
    )
    arrow = " - "
    if can_print("⣿●→"):
        arrow = " → "
        print("\n".join(draw(tour)) + "\n")
    print(fill(arrow.join([*result["tour"], result["tour"][0]]), WIDTH))


def can_print(text: str) -> bool:
    """Tell whether the terminal has the characters."""
    try:
        text.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        return False
    return True


def draw(tour: Sequence[Point]) -> list[str]:
    """Return a map of the tour as lines of text, north up: ways in braille, places as ●."""
    dots = to_dots(tour)
    across, down = (max(axis) for axis in zip(*dots, strict=True))
    bits = [[0] * (across // DOTS_ACROSS + 1) for _ in range(down // DOTS_DOWN + 1)]
    for here, there in zip(dots, [*dots[1:], dots[0]], strict=True):
        for x, y in way(here, there):
            bits[y // DOTS_DOWN][x // DOTS_ACROSS] |= BRAILLE_BITS[x % DOTS_ACROSS][y % DOTS_DOWN]
    cells = [[chr(BRAILLE + bit) if bit else " " for bit in row] for row in bits]
    for x, y in dots:
        cells[y // DOTS_DOWN][x // DOTS_ACROSS] = "●"
    return ["".join(row).rstrip() for row in cells]


def to_dots(points: Sequence[Point]) -> list[Point]:
    """Scale points to the dots of the map: x to the right, y down, both from 0."""
    xs, ys = zip(*points, strict=True)
    # A terminal's cell is twice as high as wide, so its dots are about square: one scale for both.
    scale = min(
        (WIDTH * DOTS_ACROSS - 1) / max(max(xs) - min(xs), 1),
        (HEIGHT * DOTS_DOWN - 1) / max(max(ys) - min(ys), 1),
    )
    return [(round((x - min(xs)) * scale), round((max(ys) - y) * scale)) for x, y in points]


def way(here: Point, there: Point) -> Iterator[Point]:
    """Go through the dots of a straight line."""
    (from_x, from_y), (to_x, to_y) = here, there
    steps = max(abs(to_x - from_x), abs(to_y - from_y), 1)
    for step in range(steps + 1):
        part = step / steps
        yield round(from_x + part * (to_x - from_x)), round(from_y + part * (to_y - from_y))


if __name__ == "__main__":
    main()
