"""What a catalogue holds of custom resources, and what it says of them."""

from typing import Any

from nexus_core.adapters.kubernetes.custom_resources import CustomResource, read
from nexus_core.adapters.kubernetes.held_resources import HeldResources, Verdict
from nexus_core.adapters.kubernetes.objects import ObjectMeta
from nexus_core.domain.template import TEMPLATE_KIND, WORKGROUP_KIND
from support.manifests import a_template_manifest, a_workgroup_manifest

TEMPLATE = (TEMPLATE_KIND, "hello-world")
WORKGROUP = (WORKGROUP_KIND, "default")


def put(held: HeldResources, manifest: dict[str, Any], uid: str = "1") -> None:
    metadata = ObjectMeta(name=manifest["metadata"]["name"], uid=uid)
    resource = CustomResource(metadata, manifest["spec"], manifest["status"])
    held.put((manifest["kind"], metadata.name), read(manifest["kind"], resource))


def holding(*manifests: dict[str, Any]) -> HeldResources:
    held = HeldResources(["shard-0", "shard-1"])
    for manifest in manifests:
        put(held, manifest)
    return held


def verdict(held: HeldResources, key: tuple[str, str] = TEMPLATE) -> Verdict:
    found = held.verdict(key)
    assert found
    return found


def command(held: HeldResources) -> str | None:
    template = held.template("hello-world")
    return template.spec.command if template else None


def test_a_sound_template_says_where_its_runs_go() -> None:
    held = holding(a_template_manifest(), a_workgroup_manifest(cluster="shard-0"))

    assert verdict(held) == Verdict(
        True, "Accepted", "Runs go to workgroup 'default' on cluster 'shard-0'."
    )
    assert verdict(held, WORKGROUP) == Verdict(True, "Accepted", "Runs go to cluster 'shard-0'.")


def test_a_template_without_a_workgroup_leaves_it_to_requests() -> None:
    assert verdict(holding(a_template_manifest(workgroupRef={}))) == Verdict(
        True, "Accepted", "Requests must name a workgroup."
    )


def test_an_unknown_workgroup_is_named_with_its_field() -> None:
    assert verdict(holding(a_template_manifest())) == Verdict(
        False, "UnknownWorkgroup", "spec.workgroupRef.name: there is no workgroup 'default'."
    )


def test_a_cluster_that_is_not_reached_is_named_by_workgroup_and_template() -> None:
    held = holding(a_template_manifest(), a_workgroup_manifest(cluster="shard-9"))

    unreached = "schedulers here do not reach a cluster 'shard-9', but 'shard-0', 'shard-1'."
    assert verdict(held, WORKGROUP) == Verdict(
        False, "UnknownCluster", f"spec.cluster: {unreached}"
    )
    assert verdict(held) == Verdict(
        False,
        "UnknownCluster",
        "spec.workgroupRef.name: workgroup 'default' is on cluster 'shard-9': " + unreached,
    )


def test_an_unsound_template_names_every_field() -> None:
    found = verdict(holding(a_template_manifest(command="", args=["--sas-uri"])))

    assert (found.accepted, found.reason) == (False, "Unsound")
    assert found.message.startswith("spec.command: must name a program")
    assert "; spec.args[0]: must hold %s" in found.message


def test_a_message_has_an_end() -> None:
    held = holding(a_template_manifest(args=["--sas-uri"] * 500))

    assert len(verdict(held).message) < 1200


def test_fields_that_are_not_known_have_no_effect_and_are_named() -> None:
    manifest = a_template_manifest(
        workgroupRef={}, newField=1, runtimeEnvironment={"priority": {"x": 1}}
    )

    held = holding(manifest)

    assert held.template("hello-world")
    assert verdict(held).message == (
        "Requests must name a workgroup. These fields are not known here and have no effect: "
        "spec.newField, spec.runtimeEnvironment.priority."
    )


def test_fields_of_core_types_are_all_known() -> None:
    variable = {"name": "N", "someNewField": 1}
    manifest = a_template_manifest(
        workgroupRef={}, runtimeEnvironment={"environmentVariables": [variable]}
    )

    template = holding(manifest).template("hello-world")

    assert template
    assert template.spec.runtime_environment
    assert template.spec.runtime_environment.environment_variables == [variable]


def test_an_unsound_version_keeps_the_last_sound_one() -> None:
    held = holding(a_template_manifest(command="sound"))
    put(held, a_template_manifest(command=""))

    assert command(held) == "sound"
    assert verdict(held).reason == "Unsound"


def test_what_is_made_anew_inherits_nothing() -> None:
    held = holding(a_template_manifest(command="sound"))
    put(held, a_template_manifest(command=""), uid="2")

    assert command(held) is None


def test_a_spec_that_is_no_object_is_unsound() -> None:
    held = HeldResources([])
    resource = CustomResource(ObjectMeta(name="hello-world"), ["x"], "no status")
    held.put(TEMPLATE, read(TEMPLATE_KIND, resource))

    assert verdict(held).reason == "Unsound"
    assert resource.conditions() == []


def test_what_is_dropped_is_gone() -> None:
    held = holding(a_template_manifest())

    assert held.drop(TEMPLATE)
    assert not held.drop(TEMPLATE)
    assert command(held) is None
    assert held.verdict(TEMPLATE) is None


def test_a_workgroup_affects_the_templates_that_name_it() -> None:
    held = holding(
        a_template_manifest("a"),
        a_template_manifest("b", workgroupRef={"name": "other"}),
        a_workgroup_manifest(),
    )

    assert held.affected_by(WORKGROUP) == {WORKGROUP, (TEMPLATE_KIND, "a")}
    assert held.affected_by((TEMPLATE_KIND, "b")) == {(TEMPLATE_KIND, "b")}


def test_tells_why_nothing_can_be_used() -> None:
    unsound = a_template_manifest("a", command="")

    assert holding().why_useless() == ""
    assert holding(unsound, a_workgroup_manifest()).why_useless() == ""
    assert holding(unsound).why_useless() == (
        "no template or workgroup can be used: NexusAlgorithmTemplate/a: "
        "spec.command: must name a program, with its first arguments if any"
    )
