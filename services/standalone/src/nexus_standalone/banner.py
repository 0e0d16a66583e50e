"""What a person sees when standalone has started."""

import sys

from nexus_core.ports.catalogue import Catalogue
from nexus_standalone.settings import StandaloneSettings


def show_banner(settings: StandaloneSettings, catalogue: Catalogue, supervisor_url: str) -> None:
    """Say what runs where, and what to type next."""
    names = [template.name for template in catalogue.templates()]
    scheduler = settings.scheduler_url
    first = "hello-world" if "hello-world" in names else next(iter(names), "<algorithm>")
    lines = (
        "",
        "Nexus is running on this machine. Ctrl-C stops it; `make run` goes on from there.",
        "",
        f"  scheduler   {scheduler}   page for people: {scheduler}/docs",
        f"  receiver    {settings.receiver_url}",
        f"  supervisor  {supervisor_url}   (probes and metrics)",
        f"  data        {settings.data_path}",
        f"  algorithms  {', '.join(names) or 'none: see NEXUS__CATALOGUE__PATHS'}",
        "",
        "Try it:",
        "",
        f"  curl -s {scheduler}/algorithm/run/{first} \\",
        "       -H 'Content-Type: application/json' \\",
        '       -d \'{"algorithmParameters": {"name": "world"}}\'',
        "",
        f"  curl -s '{scheduler}/algorithm/results/{first}/requests/<requestId>?wait=30s'",
        "",
        "Or, in another terminal:  make demo",
        "",
    )
    print("\n".join(lines), file=sys.stdout, flush=True)  # noqa: T201 - for the person at the terminal
