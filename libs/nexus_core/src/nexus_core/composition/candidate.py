"""What a process is called among those of which one leads."""

import os
from uuid import uuid4

from nexus_core.settings.sections import ServiceSettings


def candidate_name(settings: ServiceSettings) -> str:
    """Return a name that no other process has at the same time.

    Where Jobs are processes of this machine, only one at a time can open their cluster, so the name
    is that of the folder: who starts again after a crash leads on, and need not wait for the lease
    of the dead.
    """
    if settings.uses_kubernetes:
        return f"{settings.host_name}/{os.getpid()}/{uuid4().hex[:8]}"
    return f"{settings.host_name}:{settings.cluster_folder.absolute()}"
