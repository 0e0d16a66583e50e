"""Pods of the charts on bad days: each says by name what is wrong, and goes on once it is mended.

As in `test_services`, a process stands in for each pod. What the pods say is on
`docs/operations/bad-days.md`, with these tests.
"""

from collections.abc import Collection, Mapping
from typing import Any

import pytest

from support.charts import Object
from support.installed import CLUSTER
from support.watched_nexus import (
    RECEIVER,
    SCHEDULER,
    SERVICES,
    SUPERVISOR,
    Troubles,
    WatchedNexus,
    change_schema,
    make_bucket,
    watched,
)

pytestmark = [
    pytest.mark.integration,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("bad days of charts"),
    pytest.mark.timeout(300),
]


async def test_pods_that_find_nothing_they_need_say_what_and_go_on_as_it_is_mended(
    installed: WatchedNexus,
) -> None:
    place, home, runs = installed.place, installed.home, installed.place.runs_namespace
    await place.kubectl("delete", "rolebinding", "nexus-scheduler-catalogue", "-n", home)
    for binding in ("nexus-scheduler-runs", "nexus-supervisor-runs"):
        await place.kubectl("delete", "rolebinding", binding, "-n", runs)

    await installed.begin()

    store = {"checkpoint-store": [f"has no keyspace '{place.servers.keyspace}'", "nexus-schema"]}
    payloads = {"payload-store": [f"bucket '{place.servers.s3.bucket}'", "there is no such bucket"]}
    of_scheduler = no_rights(home, SCHEDULER, runs) | {
        "catalogue": ["needs the rights list and watch on nexusalgorithmtemplates", home],
        "rights to the catalogue": [
            "may not list, watch nexusalgorithmtemplates.science.sneaksanddata.com and list, watch",
            f"in namespace '{home}'",
        ],
    }
    of_supervisor = no_rights(home, SUPERVISOR, runs)
    expected = {
        SCHEDULER: store | payloads | of_scheduler,
        RECEIVER: store | payloads,
        SUPERVISOR: store | payloads | of_supervisor,
    }
    await installed.all_come_to_say(expected)
    for name, troubles in expected.items():
        said = {line["part"] for line in watched(installed.nexus.pods[name]).log() if told_of(line)}
        assert said == troubles.keys()

    schema = await installed.apply_schema()
    assert await schema.ends() == 0, schema.log.read_text()
    without_store = {
        SCHEDULER: payloads | of_scheduler,
        RECEIVER: payloads,
        SUPERVISOR: payloads | of_supervisor,
    }
    await installed.all_come_to_say(without_store)
    await make_bucket(place.servers.s3)
    await installed.all_come_to_say({SCHEDULER: of_scheduler, SUPERVISOR: of_supervisor})
    await installed.helm_upgrade()
    await installed.all_come_to_say({})

    # By the very processes that began with nothing.
    await installed.runs_to_its_end()
    await installed.end()


def no_rights(home: str, account: str, runs: str) -> Troubles:
    user = f'User "system:serviceaccount:{home}:{account}" cannot list resource "jobs"'
    return {
        f"cluster {CLUSTER}": ["can't list Jobs", user, runs],
        f"rights in cluster {CLUSTER}": [
            "may not create, get, list, delete, patch",
            f"in namespace '{runs}'",
        ],
    }


def told_of(line: Mapping[str, Any]) -> bool:
    return line["event"] in {"circuit opened", "part is not ready"}


MISSING = {
    SCHEDULER: {("create", "jobs"), ("list", "pods")},
    SUPERVISOR: {("delete", "jobs"), ("watch", "pods"), ("watch", "events")},
}


async def test_single_rights_that_are_missing_are_named_and_found_to_be_there_again(
    running: WatchedNexus,
) -> None:
    runs, granted = running.place.runs_namespace, {}
    for service, missing in MISSING.items():
        granted[service] = await running.rules(f"{service}-runs")
        await running.change_role(f"{service}-runs", without(granted[service], missing))

    part, where = f"rights in cluster {CLUSTER}", f"in namespace '{runs}'"
    await running.all_come_to_say(
        {
            SCHEDULER: {part: [f"may not create jobs.batch and list pods {where}"]},
            SUPERVISOR: {
                part: [f"may not delete jobs.batch and watch pods and watch events {where}"]
            },
        }
    )
    for service in MISSING:
        pod = running.nexus.pods[service]
        (said,) = [line for line in watched(pod).log() if line.get("part") == part]
        assert (said["event"], where in said["reason"]) == ("part is not ready", True)
        # It is told of, and the pod stays in service.
        await pod.ready(running.place.session)

    for service, rules in granted.items():
        await running.change_role(f"{service}-runs", rules)
    await running.all_come_to_say({})
    await running.runs_to_its_end()


def without(rules: list[Object], missing: Collection[tuple[str, str]]) -> list[Object]:
    """Return rules that lack some verbs on some resources."""
    return [
        {**rule, "resources": [one], "verbs": verbs}
        for rule in rules
        for one in rule["resources"]
        if (verbs := [verb for verb in rule["verbs"] if (verb, one) not in missing])
    ]


async def test_an_account_that_is_gone_is_told_and_a_new_token_is_taken_up(
    running: WatchedNexus,
) -> None:
    await running.place.kubectl("delete", "serviceaccount", SCHEDULER, "-n", running.home)
    refused = "does not accept the credentials of user 'service account of this pod'"
    await running.all_come_to_say({SCHEDULER: {f"cluster {CLUSTER}": [refused]}})

    await running.helm_upgrade()
    # As a kubelet does in time.
    await running.place.kubelet.renew_token(running.nexus.pods[SCHEDULER], running.home, SCHEDULER)
    await running.all_come_to_say({})
    await running.runs_to_its_end()


STEP = "0002_journal/pre"
NEWER = "9999_future/post"


async def test_half_a_schema_is_told_by_pods_that_run_and_applied_again_by_the_hook(
    running: WatchedNexus,
) -> None:
    await change_schema(running.place, forgotten(STEP))
    said = [f"step {STEP} is missing", "run `nexus-schema apply`"]
    await running.all_come_to_say({name: {"checkpoint-store": said} for name in SERVICES})

    schema = await running.apply_schema()
    assert await schema.ends() == 0, schema.log.read_text()
    await running.all_come_to_say({})
    await running.runs_to_its_end()


async def test_what_a_later_release_took_away_is_told_by_pods_that_run_until_it_is_back(
    running: WatchedNexus,
) -> None:
    into = "INSERT INTO schema_versions (target, step, checksum) VALUES"
    await change_schema(running.place, f"{into} ('nexus', '{NEWER}', 'x')")
    said = [f"step {NEWER} is of a newer release"]
    await running.all_come_to_say({name: {"checkpoint-store": said} for name in SERVICES})

    # As a backup would bring it back.
    await change_schema(running.place, forgotten(NEWER))
    await running.all_come_to_say({})
    await running.runs_to_its_end()


def forgotten(step: str) -> str:
    return f"DELETE FROM schema_versions WHERE target = 'nexus' AND step = '{step}'"  # noqa: S608 - ours
