"""What events add to the states that they complain of: since when, and in more words. Pure.

An event counts as long as its object is in the state that it complains of, and no longer.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

import msgspec

from nexus_core.adapters.kubernetes.runs import Event
from nexus_core.domain.observation import Trouble

# Starting a container fails for the same reasons as pulling its image; the sentence tells them
# apart: `Failed to pull image …`, `Back-off pulling image …`, `Error: ErrImagePull`.
_IMAGE = re.compile(r"pull(?:ing)? image|Image(?:Never)?Pull|InvalidImageName|inspect image")
_CONTAINER = re.compile(r"\{([^}]*)\}")


class About(StrEnum):
    """What an event complains of."""

    IMAGE = "image"
    CONTAINER = "container"
    PREPARATION = "preparation"
    """Volumes and network of a pod."""
    CREATION = "creation"
    """That a Job can make no pod."""


_REASONS: Mapping[tuple[str, str], About] = MappingProxyType(
    {
        ("Job", "FailedCreate"): About.CREATION,
        ("Pod", "FailedAttachVolume"): About.PREPARATION,
        ("Pod", "FailedCreatePodSandBox"): About.PREPARATION,
        ("Pod", "FailedMapVolume"): About.PREPARATION,
        ("Pod", "FailedMount"): About.PREPARATION,
        ("Pod", "BackOff"): About.CONTAINER,
        ("Pod", "Failed"): About.CONTAINER,
        ("Pod", "ErrImageNeverPull"): About.IMAGE,
        ("Pod", "InspectFailed"): About.IMAGE,
    }
)


class Subject(msgspec.Struct, frozen=True):
    """What a complaint is about."""

    uid: str
    about: About
    container: str = ""


class Complaint(msgspec.Struct, frozen=True, kw_only=True):
    """All that was said of one thing."""

    reason: str
    message: str
    """The longest of what was said: some events name what went wrong, others that it did."""
    first_at: datetime
    last_at: datetime

    def merged(self, other: "Complaint") -> "Complaint":
        """Return what both say, whichever came first and however often."""
        fuller = max(self, other, key=lambda one: (len(one.message), one.message, one.reason))
        return Complaint(
            reason=fuller.reason,
            message=fuller.message,
            first_at=min(self.first_at, other.first_at),
            last_at=max(self.last_at, other.last_at),
        )


class Complaints:
    """What was complained of a Job and its pods."""

    def __init__(self) -> None:
        self._by_subject: dict[Subject, Complaint] = {}

    def hear(self, event: Event) -> bool:
        """Take up an event; tell whether it adds anything."""
        subject, first_at, last_at = _subject(event), event.first_at, event.at
        if subject is None or first_at is None or last_at is None:
            return False
        said = Complaint(
            reason=event.reason, message=event.message, first_at=first_at, last_at=last_at
        )
        known = self._by_subject.get(subject)
        heard = known.merged(said) if known else said
        self._by_subject[subject] = heard
        return heard != known

    def of(self, uid: str, about: About, container: str = "") -> Complaint | None:
        """Return what was complained of; of a container, or else of its pod as a whole."""
        return self._by_subject.get(Subject(uid, about, container)) or self._by_subject.get(
            Subject(uid, about)
        )


def enriched(trouble: Trouble, complaint: Complaint | None) -> Trouble:
    """Return what a state shows of a trouble, with what was complained of it."""
    if complaint is None:
        return trouble
    return Trouble(
        reason=trouble.reason,
        message=max(trouble.message, complaint.message, key=len),
        since=trouble.since or complaint.first_at,
    )


def _subject(event: Event) -> Subject | None:
    involved = event.involved_object
    about = _REASONS.get((involved.kind, event.reason))
    if about is None:
        return None
    if about is About.CONTAINER and _IMAGE.search(event.message):
        about = About.IMAGE
    named = _CONTAINER.search(involved.field_path)
    return Subject(involved.uid, about, named[1] if named else "")
