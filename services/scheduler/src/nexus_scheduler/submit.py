"""Accepting runs: nothing is answered before it is durable."""

from datetime import timedelta
from hashlib import blake2b

import structlog
import uuid_utils

from nexus_core import __version__
from nexus_core.aio.circuit import CircuitOpenError
from nexus_core.domain.acceptance import (
    AcceptedRun,
    ParentJob,
    RunFacts,
    RunPlan,
    accept_run,
    decode_request,
    parent_job,
    payload_serialization,
    plan_run,
)
from nexus_core.domain.checkpoint import Acceptance, Checkpoint, IdempotencyKey
from nexus_core.domain.errors import ConflictError, InvalidInputError, Problem, UnavailableError
from nexus_core.domain.job_manifest import RunUrls
from nexus_core.domain.names import RESOURCE_NAME_RULE, RunKey, is_resource_name
from nexus_core.domain.standard_runs import StandardRuns
from nexus_core.domain.template import Workgroup
from nexus_core.operations.launch import BufferedRun
from nexus_core.operations.payload_places import PayloadPlaces
from nexus_core.ports.payload_store import Content, PayloadStore
from nexus_scheduler.errors import KeyReusedError, UnknownAlgorithmError
from nexus_scheduler.intake import Intake
from nexus_scheduler.metrics import RunMetrics
from nexus_scheduler.parts import Identity, SchedulerParts
from nexus_scheduler.queue import LaunchQueue

log = structlog.get_logger()

# A client that tries again does so within minutes; a day also covers a job that is run by hand.
_KEY_LIFETIME = timedelta(days=1)


class Submitter:
    """Turns requests into runs that are safe in the stores and wait in the queue."""

    def __init__(
        self,
        parts: SchedulerParts,
        queue: LaunchQueue,
        metrics: RunMetrics,
        identity: Identity,
        intake: Intake,
    ) -> None:
        self._catalogue = parts.catalogue
        self._store = parts.store
        self._places = PayloadPlaces(parts.payloads, parts.buffered_payloads)
        self._clusters = parts.clusters
        self._clock = parts.clock
        self._queue = queue
        self._metrics = metrics
        self._identity = identity
        self._intake = intake
        self._payloads = parts.payloads
        self._standard = StandardRuns(identity.url_valid_for)

    def check(self) -> None:
        """Return unless it is known that no run can be accepted now.

        Raises:
            UnavailableError: a store is away; asked before the body of a request is read.
        """
        self._intake.check()

    async def submit(
        self, algorithm: str, body: bytes, *, dry_run: bool = False, key: str | None = None
    ) -> str:
        """Accept a run; return its id once the run can't be lost any more.

        With an idempotency key, the same request again returns the first one's id.

        Raises:
            InvalidInputError: the request is wrong, names what does not exist, or its payload is
                larger than where it is to go.
            KeyReusedError: the key came with another request before.
            OverloadedError: the queue is full.
            UnavailableError: a store can't be used now; nothing was accepted.
        """
        claim = self._claim(algorithm, body, key, dry_run=dry_run) if key else None
        # First: what it names may have gone, or have changed, since it came for the first time.
        if claim and (earlier := await self._replay(claim)):
            return earlier.request_id
        template = self._catalogue.template(algorithm)
        if template is None:
            raise _unknown(algorithm)
        plan = plan_run(decode_request(body), template, self._standard)
        workgroup = self._workgroup(plan)
        parent = await self._parent(plan)
        with self._queue.places:
            payloads = self._places.of(payload_serialization(plan.spec))
            run = await self._make(plan, workgroup, parent, payloads, dry_run=dry_run)
            acceptance = await self._record(run, claim, payloads)
            if not acceptance.replayed and not dry_run:
                self._queue.put(BufferedRun.of(run.checkpoint, run.job, self._clock.monotonic()))
        if not acceptance.replayed:
            self._metrics.accepted(algorithm)
            # One line a run is enough, and the one at its end tells more.
            log.debug("run accepted", request_id=acceptance.request_id, algorithm=algorithm)
        return acceptance.request_id

    def _workgroup(self, plan: RunPlan) -> Workgroup:
        """Return the workgroup that a run goes to, whose cluster this scheduler reaches."""
        workgroup = self._catalogue.workgroup(plan.workgroup)
        if workgroup is None:
            raise InvalidInputError(f"there is no workgroup '{plan.workgroup}'")
        cluster = workgroup.spec.cluster
        if cluster not in self._clusters:
            raise InvalidInputError(
                f"workgroup '{workgroup.name}' is on cluster '{cluster}', "
                f"which this scheduler does not reach"
            )
        return workgroup

    def _claim(self, algorithm: str, body: bytes, key: str, *, dry_run: bool) -> IdempotencyKey:
        if not is_resource_name(algorithm):
            raise _unknown(algorithm)  # no store is asked for what is no name
        asked = blake2b(body, digest_size=16, salt=b"dry" if dry_run else b"run")
        return IdempotencyKey(
            algorithm=algorithm,
            key=key,
            fingerprint=asked.hexdigest(),
            expires_at=self._clock.now() + _KEY_LIFETIME,
        )

    async def _replay(self, claim: IdempotencyKey) -> Acceptance | None:
        try:
            return await self._store.find_submission(claim)
        except ConflictError as error:
            raise KeyReusedError(str(error)) from error

    async def _parent(self, plan: RunPlan) -> Checkpoint | None:
        if plan.parent is None:
            return None
        parent = await self._store.find(plan.parent.key)
        if parent is None:
            raise InvalidInputError(f"parentRequest: there is no run {plan.parent.key}")
        return parent

    async def _make(
        self,
        plan: RunPlan,
        workgroup: Workgroup,
        parent: Checkpoint | None,
        payloads: PayloadStore,
        *,
        dry_run: bool,
    ) -> AcceptedRun:
        # Ids grow with time, so that rows written together lie together.
        key = RunKey(plan.algorithm, str(uuid_utils.uuid7()))
        valid_for = plan.payload_valid_for
        urls = RunUrls(
            payload=await payloads.download_url(Content.PAYLOAD, key, valid_for, plan.content_hash),
            result_upload=await payloads.upload_url(Content.RESULT, key, valid_for),
            receiver=self._identity.receiver_url,
            scheduler=self._identity.scheduler_url,
        )
        facts = RunFacts(
            request_id=key.request_id,
            now=self._clock.now(),
            owner=self._identity.owner,
            workgroup=workgroup.spec,
            urls=urls,
            nexus_version=__version__,
            parent_job=await self._parent_job(parent) if parent else None,
            dry_run=dry_run,
        )
        return accept_run(plan, facts, self._standard)

    async def _parent_job(self, parent: Checkpoint) -> ParentJob | None:
        """Return the Job of a parent, which may be so new that its uid is not recorded yet."""
        job = await self._store.find_job(parent.key)
        if job is None or parent.lifecycle_stage.finished:
            return None
        if found := parent_job(parent, job.cluster):
            return found
        cluster = self._clusters.get(job.cluster)
        status = await cluster.find_job(parent.key) if cluster else None
        return ParentJob(job.cluster, status.uid) if status else None

    async def _record(
        self, run: AcceptedRun, claim: IdempotencyKey | None, payloads: PayloadStore
    ) -> Acceptance:
        """Make a run durable: its payload first, then all else at once."""
        key = run.key
        intake = self._intake
        with (intake.payloads if payloads is self._payloads else intake.store).call():
            await payloads.put(Content.PAYLOAD, key, run.payload)
        try:
            with intake.store.call():
                acceptance = await self._store.accept(run.checkpoint, run.job, claim)
        except ConflictError as error:
            await _discard(payloads, key)
            raise KeyReusedError(str(error)) from error
        except CircuitOpenError:
            raise  # nothing was written
        except UnavailableError:
            # Unknown: it may have been written. An error now would make the client send the run
            # again, and one request would become two runs. One that is not found may yet come to
            # be, so its payload stays.
            if await self._store.find(key) is None:
                raise
            return Acceptance(key.request_id)
        if acceptance.replayed:
            await _discard(payloads, key)
        return acceptance


async def _discard(payloads: PayloadStore, key: RunKey) -> None:
    """Remove the payload of a run that came to nothing."""
    try:
        await payloads.delete(Content.PAYLOAD, key)
    except UnavailableError as error:
        # The answer is known already, and garbage must not change it.
        log.warning("payload left behind", request_id=key.request_id, error=str(error))


def _unknown(algorithm: str) -> InvalidInputError:
    """Say why there is no such algorithm; whether its name is one is only asked of those."""
    if is_resource_name(algorithm):
        return UnknownAlgorithmError(f"there is no algorithm '{algorithm}'")
    problem = Problem("algorithmName", RESOURCE_NAME_RULE)
    return InvalidInputError(str(problem), (problem,))
