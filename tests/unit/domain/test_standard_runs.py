from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from nexus_core.domain.job_manifest import JobOrder, build_job, encode_job
from nexus_core.domain.names import RunKey
from nexus_core.domain.request import ParentReference
from nexus_core.domain.standard_runs import StandardRuns
from nexus_core.domain.template import PayloadConfiguration, Template, WorkgroupSpec
from support.jobs import URLS, a_job_order
from support.runs import a_template_spec

ARGS = ["--sas-uri=%s", "--request-id=%s", "sas-uri twice: %s %s", "100 %"]
TEMPLATE = Template("hello-world", a_template_spec(args=ARGS))
OTHER = RunKey("hello-world", "0192e4a0-0000-7000-8000-0000000000ff")
OTHER_URLS = replace(URLS, payload="https://other.test/get?sig=1%2F", result_upload="https://o/put")


def an_order(standard: StandardRuns, **changes: Any) -> JobOrder:
    return replace(a_job_order(spec=standard.spec(TEMPLATE)), **changes)


def anew(order: JobOrder) -> bytes:
    return encode_job(build_job(order))


def test_a_job_from_memory_is_the_job_that_would_be_made_anew() -> None:
    standard = StandardRuns()
    for changes in ({}, {"key": OTHER}, {"urls": OTHER_URLS}, {"key": OTHER, "urls": OTHER_URLS}):
        order = an_order(standard, **changes)
        assert standard.manifest(order) == anew(order)


@pytest.mark.parametrize(
    "changes",
    [
        {"workgroup": WorkgroupSpec(cluster="shard-1")},
        {"urls": replace(URLS, receiver="https://elsewhere.test")},
        {"urls": replace(URLS, scheduler="https://elsewhere.test")},
        {"urls": replace(URLS, result_upload="")},
        {"nexus_version": "9.9.9"},
        {"namespace": "elsewhere"},
        {"parent": ParentReference(request_id=OTHER.request_id, algorithm_name="fan-out")},
        {"spec": a_template_spec(command="another program")},
    ],
)
def test_what_was_made_for_others_is_not_used(changes: dict[str, Any]) -> None:
    standard = StandardRuns()
    standard.manifest(an_order(standard))
    order = an_order(standard, **changes)
    assert standard.manifest(order) == anew(order)


def test_a_template_that_was_changed_is_applied_anew() -> None:
    standard = StandardRuns()
    standard.manifest(an_order(standard))
    changed = Template("hello-world", a_template_spec(command="python3 other.py"))
    assert standard.spec(changed).command == "python3 other.py"
    order = an_order(standard, spec=standard.spec(changed))
    assert standard.manifest(order) == anew(order)


@pytest.mark.parametrize(("written", "said"), [("", "2h"), ("5m", "5m")])
def test_the_default_validity_is_written_down_where_none_is_said(written: str, said: str) -> None:
    standard = StandardRuns(timedelta(hours=2))
    configuration = PayloadConfiguration(payload_valid_for=written)
    template = Template("tsp", a_template_spec(payload_configuration=configuration))
    applied = standard.spec(template).payload_configuration
    assert applied is not None
    assert applied.payload_valid_for == said
