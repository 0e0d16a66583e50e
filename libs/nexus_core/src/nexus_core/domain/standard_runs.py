"""What all runs of a template have in common that change nothing of it, made once.

Most requests only bring a payload. Applying an unchanged template and building the same Job but for
an id and two URLs would be the larger part of what accepting such a run costs.
"""

import re
from datetime import timedelta

from msgspec.structs import replace

from nexus_core.domain.durations import format_duration
from nexus_core.domain.job_manifest import JobOrder, RunUrls, build_job, encode_job
from nexus_core.domain.names import RunKey
from nexus_core.domain.overrides import apply_overrides
from nexus_core.domain.template import PayloadConfiguration, Template, TemplateSpec

DEFAULT_PAYLOAD_VALID_FOR = timedelta(hours=24)
"""For requests and templates that don't say: a day's queue and a day's run have been seen."""

# What stands in a mold for what differs from run to run. No template holds such words by chance,
# and one that does on purpose only puts its run's own id and URLs where it could have had them.
_ID, _PAYLOAD, _UPLOAD = (f"nexus-mold-{word}-6b1f0c5e92d74a38" for word in ("id", "get", "put"))
_STAND_INS = re.compile(f"({_ID}|{_PAYLOAD}|{_UPLOAD})".encode())


class JobMold:
    """The encoded Job of all runs that differ in nothing but their id and their signed URLs."""

    def __init__(self, order: JobOrder) -> None:
        upload = _UPLOAD if order.urls.result_upload else ""
        urls = replace(order.urls, payload=_PAYLOAD, result_upload=upload)
        key = RunKey(order.key.algorithm, _ID)
        manifest = encode_job(build_job(replace(order, key=key, urls=urls)))
        self._parts = _STAND_INS.split(manifest)
        self._ids, self._payloads, self._uploads = (
            [place for place, part in enumerate(self._parts) if part == stand_in.encode()]
            for stand_in in (_ID, _PAYLOAD, _UPLOAD)
        )

    def cast(self, request_id: str, urls: RunUrls) -> bytes:
        """Return the Job of one run. Ids and signed URLs hold nothing that JSON would escape."""
        parts = self._parts.copy()
        for places, filling in (
            (self._ids, request_id.encode()),
            (self._payloads, urls.payload.encode()),
            (self._uploads, urls.result_upload.encode()),
        ):
            for place in places:
                parts[place] = filling
        return b"".join(parts)


class StandardRuns:
    """Remembers, for the newest version of each template, its configuration and its Job.

    What it returns is what would be made anew; it holds as much as there are templates.
    """

    def __init__(self, default_valid_for: timedelta = DEFAULT_PAYLOAD_VALID_FOR) -> None:
        """Take how long the URLs of runs are valid whose request and template don't say."""
        self._default_valid_for = default_valid_for
        self._specs: dict[str, tuple[Template, TemplateSpec]] = {}
        self._molds: dict[str, tuple[JobOrder, JobMold]] = {}

    def spec(self, template: Template) -> TemplateSpec:
        """Return the applied configuration of a run that overrides nothing."""
        known = self._specs.get(template.name)
        if known is None or known[0] is not template:
            known = (template, self.with_validity(apply_overrides(template.spec)))
            self._specs[template.name] = known
        return known[1]

    def with_validity(self, spec: TemplateSpec) -> TemplateSpec:
        """Write the default down, so that who reads the record needs no setting to know it."""
        configuration = spec.payload_configuration or PayloadConfiguration()
        if configuration.payload_valid_for:
            return spec
        said = replace(configuration, payload_valid_for=format_duration(self._default_valid_for))
        return replace(spec, payload_configuration=said)

    def manifest(self, order: JobOrder) -> bytes:
        """Return the encoded Job of a run."""
        algorithm = order.key.algorithm
        known_spec = self._specs.get(algorithm)
        if known_spec is None or known_spec[1] is not order.spec or order.parent is not None:
            return encode_job(build_job(order))
        known = self._molds.get(algorithm)
        if known is None or not _same_but_for_the_run(known[0], order):
            known = self._molds[algorithm] = (order, JobMold(order))
        return known[1].cast(order.key.request_id, order.urls)


def _same_but_for_the_run(one: JobOrder, other: JobOrder) -> bool:
    """Tell whether two orders for runs without a parent differ in id and signed URLs alone."""
    return (
        one.spec is other.spec
        and one.workgroup is other.workgroup
        and one.urls.receiver == other.urls.receiver
        and one.urls.scheduler == other.urls.scheduler
        and bool(one.urls.result_upload) == bool(other.urls.result_upload)
        and one.nexus_version == other.nexus_version
        and one.namespace == other.namespace
    )
