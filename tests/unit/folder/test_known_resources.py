from pathlib import Path

from nexus_core.adapters.folder.known_resources import KnownResources, reconcile
from nexus_core.adapters.folder.manifests import ManifestFile
from nexus_core.domain.errors import Problem
from nexus_core.domain.manifests import Manifest
from nexus_core.domain.template import TEMPLATE_KIND, Template
from support.runs import a_template_spec

A, B = Path("/manifests/a.yaml"), Path("/manifests/b.yaml")


def sound(command: str = "run") -> Manifest:
    template = Template("tsp", a_template_spec(command=command))
    return Manifest(TEMPLATE_KIND, "tsp", template)


def unsound() -> Manifest:
    return Manifest(TEMPLATE_KIND, "tsp", None, (Problem("spec.command", "must be there"),))


def known(*files: ManifestFile) -> KnownResources:
    return reconcile(KnownResources(), files)


def command(of: KnownResources) -> str | None:
    template = of.resource(TEMPLATE_KIND, "tsp")
    return template.spec.command if isinstance(template, Template) else None


def test_what_is_in_no_file_any_more_is_gone() -> None:
    before = known(ManifestFile(A, (sound(),)))
    assert command(reconcile(before, [ManifestFile(A)])) is None
    assert command(reconcile(before, [])) is None


def test_an_unsound_version_keeps_the_last_sound_one_and_is_told() -> None:
    before = known(ManifestFile(A, (sound("last"),)))
    after = reconcile(before, [ManifestFile(A, (unsound(),))])
    assert command(after) == "last"
    assert [str(problem) for problem in after.problems] == [
        "/manifests/a.yaml: NexusAlgorithmTemplate/tsp: spec.command: must be there"
    ]
    assert command(reconcile(after, [ManifestFile(A, (unsound(),))])) == "last"


def test_an_unsound_version_of_what_was_never_sound_is_not_there() -> None:
    assert command(known(ManifestFile(A, (unsound(),)))) is None


def test_all_of_a_broken_file_or_folder_stays() -> None:
    before = known(ManifestFile(A, (sound("last"),)))
    for broken in (A, A.parent):
        after = reconcile(before, [ManifestFile(broken, problem="line 1: broken")])
        assert command(after) == "last"
        assert str(after.problems[0]) == f"{broken}: line 1: broken"
    assert command(reconcile(before, [ManifestFile(B, problem="line 1: broken")])) is None


def test_of_two_with_one_name_the_first_counts_and_the_second_is_told() -> None:
    both = [ManifestFile(A, (sound("first"),)), ManifestFile(B, (sound("second"),))]
    after = known(*both)
    assert command(after) == "first"
    (problem,) = after.problems
    assert (problem.file, problem.field) == (str(B), "metadata.name")
    assert problem.message == f"must be unique; see {A}"


def test_the_first_keeps_its_last_sound_version_though_the_second_is_sound() -> None:
    before = known(ManifestFile(A, (sound("first"),)))
    after = reconcile(before, [ManifestFile(A, (unsound(),)), ManifestFile(B, (sound("second"),))])
    assert command(after) == "first"


def test_an_unsound_newcomer_does_not_displace_what_another_file_holds() -> None:
    before = known(ManifestFile(B, (sound("old"),)))
    after = reconcile(before, [ManifestFile(A, (unsound(),)), ManifestFile(B, (sound("new"),))])
    assert command(after) == "new"


def test_what_is_moved_and_made_unsound_at_once_stays() -> None:
    before = known(ManifestFile(A, (sound("last"),)))
    assert command(reconcile(before, [ManifestFile(B, (unsound(),))])) == "last"
