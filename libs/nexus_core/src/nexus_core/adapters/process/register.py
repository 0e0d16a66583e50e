"""Which Jobs there are, and which go with which."""

from collections.abc import Iterator

from nexus_core.adapters.process.job import Job
from nexus_core.domain.names import RunKey


class Register:
    """Holds the Jobs by name, in the order they were added, and by their owners' uids."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._owned: dict[str, set[str]] = {}

    def __iter__(self) -> Iterator[Job]:
        # Over a copy: those who go through all Jobs wait in between.
        return iter(tuple(self._jobs.values()))

    def named(self, name: str) -> Job | None:
        """Return the Job of a name, whatever run's it is."""
        return self._jobs.get(name)

    def find(self, key: RunKey) -> Job | None:
        """Return the Job of a run."""
        job = self._jobs.get(key.request_id)
        return job if job and job.record.algorithm == key.algorithm else None

    def add(self, job: Job) -> None:
        """Take in a Job that is not there."""
        self._jobs[job.record.request_id] = job
        for owner in job.spec.owners:
            self._owned.setdefault(owner, set()).add(job.record.request_id)

    def remove(self, job: Job) -> None:
        """Take out a Job."""
        del self._jobs[job.record.request_id]
        for owner in job.spec.owners:
            self._owned[owner].discard(job.record.request_id)
            if not self._owned[owner]:
                del self._owned[owner]

    def family(self, job: Job) -> list[Job]:
        """Return a Job and all that it owns, directly or not."""
        members = {job.record.request_id: job}
        unasked = [job]
        while unasked:
            for name in self._owned.get(unasked.pop().record.uid, ()):
                # A Job may have several owners, and so be come upon twice.
                if name not in members:
                    members[name] = self._jobs[name]
                    unasked.append(members[name])
        return list(members.values())
