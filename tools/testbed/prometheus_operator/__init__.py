"""The custom resource definitions of Prometheus' operator; no operator."""

import shutil
from pathlib import Path

from tools.testbed.builds import Say, built, key_of, run
from tools.testbed.tools import tool

_MODULE = "github.com/prometheus-operator/prometheus-operator"
_FOLDER = "example/prometheus-operator-crd"
_KINDS = ("servicemonitors", "prometheusrules")


async def definitions(cache: Path, say: Say) -> Path:
    """Return the folder with the definitions of the kinds that the charts write.

    They are of the Go module that `go.mod` pins, which `go.sum` holds to its content.

    Raises:
        TestbedError: There is no Go, or the module could not be had.
    """
    files = [Path(__file__).parent / name for name in ("go.mod", "go.sum")]

    async def build(draft: Path) -> None:
        for file in files:
            shutil.copy(file, draft)
        # A cache of its own: there it is known where a module is.
        modules = draft / "modules"
        download = [tool("go", "Go 1.24 or newer"), "mod", "download", "-modcacherw", _MODULE]
        log = cache / "prometheus-operator-build.log"
        environment = {"GOMODCACHE": str(modules), "GOTOOLCHAIN": "local"}
        await run(download, log, draft, environment)
        (unpacked,) = (modules / _MODULE).parent.glob(f"{Path(_MODULE).name}@*")
        for kind in _KINDS:
            shutil.copy(unpacked / _FOLDER / f"monitoring.coreos.com_{kind}.yaml", draft)
        shutil.rmtree(modules)

    return await built(cache, "prometheus-operator", key_of(*files), build, say)
