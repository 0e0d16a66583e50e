import re
from pathlib import Path

from tools.testbed.kubernetes import binaries

GO_MOD = Path(binaries.__file__).parent / "programs" / "go.mod"


def test_every_staging_module_is_pinned_to_the_version_of_kubernetes() -> None:
    replaced = re.findall(r"^\t(k8s\.io/\S+) => (\S+) (\S+)$", GO_MOD.read_text(), re.MULTILINE)

    staging = binaries.version().replace("v1.", "v0.", 1)
    assert {(name, version) for name, _, version in replaced} == {
        (name, staging) for name, _, _ in replaced
    }
    assert all(name == target for name, target, _ in replaced)
    assert {"k8s.io/api", "k8s.io/apiserver", "k8s.io/client-go"} <= {row[0] for row in replaced}


def test_the_version_is_stamped_into_the_programs() -> None:
    flags = binaries.link_flags("v1.37.2")

    assert "-X k8s.io/component-base/version.gitVersion=v1.37.2" in flags
    assert "-X k8s.io/component-base/version.gitMajor=1" in flags
    assert "-X k8s.io/component-base/version.gitMinor=37" in flags
