"""From a request to a run: what is asked, whether it is sound, and what is then recorded.

In two steps, because between them somebody must look things up and make URLs: `plan_run` needs the
request and its template; the plan names the workgroup and says how long URLs are to be valid; and
`accept_run` makes all that is to be stored.
"""

import base64
import zlib
from datetime import datetime, timedelta

import msgspec

from nexus_core.domain.bodies import decode_body
from nexus_core.domain.checkpoint import BufferedJob, Checkpoint
from nexus_core.domain.durations import parse_duration
from nexus_core.domain.errors import InvalidInputError, Problem
from nexus_core.domain.job_manifest import JobOrder, RunUrls
from nexus_core.domain.names import RunKey, parse_run_key
from nexus_core.domain.overrides import apply_overrides
from nexus_core.domain.request import AlgorithmRequest, Overrides, ParentReference
from nexus_core.domain.stages import Stage
from nexus_core.domain.standard_runs import DEFAULT_PAYLOAD_VALID_FOR, StandardRuns
from nexus_core.domain.template import Template, TemplateSpec, WorkgroupSpec

# A tag is a partition key and a segment of URLs; the same bound as for a later change of it.
_MAX_TAG_LENGTH = 1024

# Free text of the client, shown to people; published clients send three characters.
_MAX_API_VERSION_LENGTH = 64

_DECODER = msgspec.json.Decoder(AlgorithmRequest)


class RunPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A sound request, with its template applied."""

    algorithm: str
    spec: TemplateSpec
    """With the request's overrides applied, all parts present."""
    overrides: Overrides | None
    """As they were sent."""
    payload: bytes
    """The algorithm's parameters, as the bytes they came in."""
    content_hash: str
    payload_valid_for: timedelta
    """How long the URLs of the run are to be valid."""
    tag: str
    api_version: str
    parent: ParentReference | None

    @property
    def workgroup(self) -> str:
        """The name of the workgroup that the run goes to; empty when nothing names one."""
        return self.spec.workgroup_ref.name if self.spec.workgroup_ref else ""


class ParentJob(msgspec.Struct, frozen=True):
    """The Job of the run that started this one."""

    cluster: str
    uid: str


class RunFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the plan of a run does not say, and its record and Job need."""

    request_id: str
    now: datetime
    owner: str
    """The scheduler that takes the run: the `owner` of its lease."""
    workgroup: WorkgroupSpec
    urls: RunUrls
    nexus_version: str
    parent_job: ParentJob | None = None
    """None when the parent is unknown, finished, or not started."""
    dry_run: bool = False


class AcceptedRun(msgspec.Struct, frozen=True):
    """All that is stored of a new run: the payload first, then the rest at once."""

    key: RunKey
    checkpoint: Checkpoint
    job: BufferedJob
    payload: bytes


def decode_request(body: bytes) -> AlgorithmRequest:
    """Return the body of `POST …/run/{algorithmName}`.

    Raises:
        InvalidInputError: the body is no `AlgorithmRequest`; see `decode_body`.
    """
    return decode_body(_DECODER, body)


def plan_run(
    request: AlgorithmRequest,
    template: Template,
    standard: StandardRuns | None = None,
) -> RunPlan:
    """Check a request and apply it to its template.

    `standard` is the caller's memory of earlier runs; without it, all is made anew.

    Raises:
        InvalidInputError: with all that is wrong with the request, overrides apart.
    """
    payload = bytes(request.algorithm_parameters)
    if problems := _problems(request, payload):
        raise InvalidInputError("; ".join(map(str, problems)), tuple(problems))
    overrides, asked = request.custom_configuration, request.payload_valid_for or ""
    standard = standard or StandardRuns()
    if overrides is None and not asked:
        spec = standard.spec(template)
    else:
        spec = standard.with_validity(apply_overrides(template.spec, overrides, asked))
    return RunPlan(
        algorithm=template.name,
        spec=spec,
        overrides=overrides,
        payload=payload,
        content_hash=content_hash(payload),
        payload_valid_for=payload_valid_for(spec),
        tag=request.tag or "",
        api_version=request.request_api_version or "",
        parent=request.parent_request,
    )


def accept_run(plan: RunPlan, facts: RunFacts, standard: StandardRuns | None = None) -> AcceptedRun:
    """Return what is to be stored of a new run.

    It is `BUFFERED` from the start, never `NEW`: the payload is stored before this record is, so
    that whoever finds the record finds the payload too, and a crash in between leaves only a
    payload that nobody asks for.

    A dry run is `COMPLETED` from the start. Were it buffered first and completed in a second write,
    a crash between the two would leave a run that a sweep submits.

    `standard` is the memory that the plan was made with.
    """
    key = RunKey(plan.algorithm, facts.request_id)
    manifest = (standard or StandardRuns()).manifest(_order(key, plan, facts))
    return AcceptedRun(
        key=key,
        checkpoint=Checkpoint(
            algorithm=key.algorithm,
            id=key.request_id,
            lifecycle_stage=Stage.COMPLETED if facts.dry_run else Stage.BUFFERED,
            payload_uri=facts.urls.payload,
            received_by_host=facts.owner,
            received_at=facts.now,
            applied_configuration=plan.spec,
            configuration_overrides=plan.overrides,
            content_hash=plan.content_hash,
            last_modified=facts.now,
            tag=plan.tag,
            api_version=plan.api_version,
            parent=plan.parent,
        ),
        job=BufferedJob(facts.workgroup.cluster, manifest),
        payload=plan.payload,
    )


def parent_job(parent: Checkpoint | None, cluster: str) -> ParentJob | None:
    """Return the Job that owns a run's Job, given the parent's record and its cluster.

    A finished parent owns nothing any more: its Job is being removed, and would take along a run
    that the caller has just been promised.
    """
    if parent is None or not parent.job_uid or parent.lifecycle_stage.finished:
        return None
    return ParentJob(cluster, parent.job_uid)


def payload_valid_for(spec: TemplateSpec | None) -> timedelta:
    """Return how long the URLs of a run are valid, given its applied configuration."""
    configuration = spec.payload_configuration if spec else None
    if configuration is None or not configuration.payload_valid_for:
        return DEFAULT_PAYLOAD_VALID_FOR
    return parse_duration(configuration.payload_valid_for)


def payload_serialization(spec: TemplateSpec | None) -> str:
    """Return where the payload of a run goes, given its applied configuration; may be empty."""
    configuration = spec.payload_configuration if spec else None
    return configuration.payload_serialization if configuration else ""


def content_hash(payload: bytes) -> str:
    """Return the base64 of the eight lower-case hex digits of the payload's CRC-32."""
    return base64.b64encode(b"%08x" % zlib.crc32(payload)).decode()


def _order(key: RunKey, plan: RunPlan, facts: RunFacts) -> JobOrder:
    parent, cluster = facts.parent_job, facts.workgroup.cluster
    return JobOrder(
        key=key,
        spec=plan.spec,
        workgroup=facts.workgroup,
        urls=facts.urls,
        nexus_version=facts.nexus_version,
        parent=plan.parent,
        # A child in another cluster has no owner there, and would be collected as an orphan.
        owner_uid=parent.uid if parent and parent.cluster == cluster else "",
    )


def _problems(request: AlgorithmRequest, payload: bytes) -> list[Problem]:
    problems = []
    # Decoded as raw bytes: its syntax is checked, that it is an object is not.
    if not payload.lstrip().startswith(b"{"):
        problems.append(Problem("algorithmParameters", "must be an object"))
    tag = request.tag or ""
    if len(tag) > _MAX_TAG_LENGTH or not tag.isprintable():
        problems.append(
            Problem("tag", f"must be at most {_MAX_TAG_LENGTH} printable characters, on one line")
        )
    if len(request.request_api_version or "") > _MAX_API_VERSION_LENGTH:
        problems.append(
            Problem("requestApiVersion", f"must be at most {_MAX_API_VERSION_LENGTH} characters")
        )
    if parent := request.parent_request:
        try:
            parse_run_key(parent.algorithm_name, parent.request_id)
        except InvalidInputError as error:
            problems += [
                Problem(f"parentRequest.{problem.field}", problem.message)
                for problem in error.problems
            ]
    return problems
