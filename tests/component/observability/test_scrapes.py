"""What is scraped of the services, beside what alerts and dashboards are checked against."""

from prometheus_client.parser import text_string_to_metric_families

from nexus_core.domain.stages import Stage
from support.calls import Client
from support.exported import SCRAPED, exported
from support.services import World


async def test_series_and_labels_are_those_that_queries_are_checked_against(world: World) -> None:
    async with world.scheduler() as scheduler, world.receiver() as receiver:
        await world.reaches(await world.run(scheduler), Stage.RUNNING)
        async with world.supervisor() as supervisor:
            scraped = [
                (await Client(world.session, url).get("/metrics")).text
                for url in (scheduler, receiver, supervisor)
            ]

    found = {
        sample.name: frozenset(sample.labels) | SCRAPED
        for text in scraped
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        # Of counters with labels too, where nothing needs them.
        if sample.name.startswith("nexus_") and not sample.name.endswith("_created")
    }
    assert {name: labels for name, labels in found.items() if exported().get(name) != labels} == {}
    assert len(found) > 25
