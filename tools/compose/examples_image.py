"""The image of the examples, as the stack's Kubernetes takes it.

It is the image of standalone, which has them, under the name that their templates have. No registry
has it, so the node takes it from an archive.
"""

from pathlib import Path

from tools.testbed.engine.client import Docker
from tools.testbed.kubernetes.node.image import EXAMPLES_IMAGE


async def save(docker: Docker, standalone: str, archive: Path) -> None:
    """Save an image of standalone, as that of the examples.

    Raises:
        TestbedError: the engine has no such image.
    """
    await docker("tag", standalone, EXAMPLES_IMAGE)
    draft = archive.with_suffix(".draft")
    await docker("save", f"--output={draft}", EXAMPLES_IMAGE)
    draft.replace(archive)
