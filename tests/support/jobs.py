"""Makers of what Jobs are built from."""

from typing import Any

import msgspec

from nexus_core.domain.job_manifest import JobOrder, RunUrls
from nexus_core.domain.names import RunKey
from nexus_core.domain.template import WorkgroupSpec
from support.runs import a_template_spec

URLS = RunUrls(
    payload="https://nexus.test/data/v1/payloads/hello-world?sig=a%2Fb&from=1&to=2",
    result_upload="https://nexus.test/data/v1/uploads/hello-world?sig=c&from=1&to=2",
    receiver="https://receiver.test",
    scheduler="https://nexus.test",
)


def a_job_order(**changes: Any) -> JobOrder:
    order = JobOrder(
        key=RunKey("hello-world", "0192e4a0-0000-7000-8000-000000000001"),
        spec=a_template_spec(),
        workgroup=WorkgroupSpec(cluster="shard-0"),
        urls=URLS,
        nexus_version="0.1.0",
    )
    return msgspec.structs.replace(order, **changes)
