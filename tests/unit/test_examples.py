"""The files of the examples, against the rules that Nexus holds them to."""

import msgspec
import pytest

from nexus_core.domain.acceptance import decode_request, plan_run
from nexus_core.domain.template_rules import template_problems, workgroup_problems
from support.examples import (
    EXAMPLES,
    ROOT,
    example_folder,
    example_request,
    example_templates,
    example_workgroups,
)

TEMPLATES = example_templates()
STARTED_BY_CLIENTS = sorted(TEMPLATES.keys() - {"fan-out-part"})


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_is_sound(name: str) -> None:
    assert template_problems(TEMPLATES[name].spec) == ()


def test_the_workgroup_is_sound_and_leads_to_the_standalone_cluster() -> None:
    [workgroup] = example_workgroups().values()

    assert workgroup.name == "default"
    assert workgroup.spec.cluster == "standalone"
    assert workgroup_problems(workgroup.spec) == ()


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_names_the_workgroup_that_is_there(name: str) -> None:
    reference = TEMPLATES[name].spec.workgroup_ref

    assert reference is not None
    assert reference.name in example_workgroups()


@pytest.mark.parametrize("name", sorted(TEMPLATES.keys() - {"does-not-start"}))
def test_a_template_starts_a_module_that_is_there(name: str) -> None:
    python, option, module = TEMPLATES[name].spec.command.split()

    assert (python, option) == ("python3", "-m")
    assert (ROOT / module.replace(".", "/")).with_suffix(".py").is_file()


@pytest.mark.parametrize("name", STARTED_BY_CLIENTS)
def test_the_request_beside_a_template_is_one_that_nexus_takes(name: str) -> None:
    plan = plan_run(decode_request(example_request(name)), TEMPLATES[name])

    assert plan.workgroup == "default"
    assert isinstance(msgspec.json.decode(plan.payload), dict)


@pytest.mark.parametrize("name", STARTED_BY_CLIENTS)
def test_a_readme_tells_how_to_run_its_example(name: str) -> None:
    folder = example_folder(name)
    readme = (folder / "README.md").read_text(encoding="utf-8")

    assert f"-d @examples/{folder.name}/request.json" in readme
    assert f"/algorithm/v1/run/{name}" in readme


@pytest.mark.parametrize("name", STARTED_BY_CLIENTS)
def test_the_index_leads_to_every_example(name: str) -> None:
    index = (EXAMPLES / "README.md").read_text(encoding="utf-8")

    assert f"({example_folder(name).name}/README.md)" in index
