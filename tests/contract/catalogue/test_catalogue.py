from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from nexus_core.domain.template import Template, Workgroup, WorkgroupSpec
from nexus_core.ports.catalogue import Catalogue
from support.manifests import a_template_manifest, a_workgroup_manifest
from support.processes import until
from support.runs import a_template_spec


class Shelf(Protocol):
    async def publish(self, manifest: dict[str, Any]) -> None: ...

    async def withdraw(self, manifest: dict[str, Any]) -> None: ...

    def open(self) -> AbstractAsyncContextManager[Catalogue]: ...


def command_of(catalogue: Catalogue, name: str) -> str:
    template = catalogue.template(name)
    return template.spec.command if template else ""


async def test_knows_when_opened_what_was_published_before(shelf: Shelf) -> None:
    await shelf.publish(a_template_manifest("hello-world"))
    await shelf.publish(a_workgroup_manifest("default", cluster="shard-0"))
    async with shelf.open() as catalogue:
        assert catalogue.template("hello-world") == Template("hello-world", a_template_spec())
        assert catalogue.workgroup("default") == Workgroup(
            "default", WorkgroupSpec(cluster="shard-0")
        )
        await catalogue.ping()


async def test_has_heard_of_its_source_once_it_is_open(catalogue: Catalogue) -> None:
    age = catalogue.age()
    assert age is not None
    assert 0 <= age < 60


async def test_knows_nothing_of_other_names(catalogue: Catalogue) -> None:
    assert catalogue.template("hello-world") is None
    assert catalogue.workgroup("default") is None
    assert list(catalogue.templates()) == []
    await catalogue.ping()


async def test_a_template_and_a_workgroup_may_have_one_name(shelf: Shelf) -> None:
    await shelf.publish(a_template_manifest("same"))
    await shelf.publish(a_workgroup_manifest("same"))
    async with shelf.open() as catalogue:
        assert isinstance(catalogue.template("same"), Template)
        assert isinstance(catalogue.workgroup("same"), Workgroup)


async def test_lists_templates_by_name(shelf: Shelf) -> None:
    for name in ("b", "c", "a"):
        await shelf.publish(a_template_manifest(name))
    async with shelf.open() as catalogue:
        assert [template.name for template in catalogue.templates()] == ["a", "b", "c"]


async def test_hears_of_what_is_published_changed_and_withdrawn(
    shelf: Shelf, catalogue: Catalogue
) -> None:
    await shelf.publish(a_template_manifest(command="one"))
    await until(lambda: command_of(catalogue, "hello-world") == "one")
    await shelf.publish(a_template_manifest(command="two"))
    await until(lambda: command_of(catalogue, "hello-world") == "two")
    await shelf.withdraw(a_template_manifest())
    await until(lambda: catalogue.template("hello-world") is None)


async def test_an_unsound_change_keeps_the_last_sound_version(
    shelf: Shelf, catalogue: Catalogue
) -> None:
    await shelf.publish(a_template_manifest(command="sound"))
    await until(lambda: command_of(catalogue, "hello-world"))
    await shelf.publish(a_template_manifest(computeResources={"limits": {"memory": "9Ei"}}))
    await shelf.publish(a_template_manifest("published-after-it"))
    await until(lambda: catalogue.template("published-after-it"))
    assert command_of(catalogue, "hello-world") == "sound"
    await shelf.publish(a_template_manifest(command="sound again"))
    await until(lambda: command_of(catalogue, "hello-world") == "sound again")
