"""Settings of the clusters, a section each kind."""

from nexus_core.settings.loader import Section
from nexus_core.settings.values import Positive


class ProcessClusterSection(Section, frozen=True):
    """The cluster whose Jobs are processes of this machine."""

    name: str = "standalone"
    """What workgroups call it."""
    path: str = ""
    """Where its Jobs' records and logs are; empty: `cluster` in the data folder."""
    working_directory: str = "."
    """Where commands start."""
    max_pods: Positive = 16
    """Processes at the same time; further Jobs wait."""
