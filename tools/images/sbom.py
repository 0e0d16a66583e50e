"""Bills of materials: what is in an image, in CycloneDX, for scanners and for who has to answer."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from tools.images.building import Version
from tools.images.contents import Package, packages_in

# What scanners of today read; the newest version is not read by all.
_SCHEMA = SchemaVersion.V1_6


def bill(service: str, version: Version, archive: Path) -> str:
    """Return the bill of an image whose files are in an archive, as JSON.

    The same image gets the same bill.
    """
    image = Component(
        name=f"nexus-{service}",
        version=version.version,
        type=ComponentType.CONTAINER,
        licenses=_licences(("Apache-2.0",)),
        bom_ref=f"nexus-{service}",
    )
    metadata = BomMetaData(component=image)
    try:
        metadata.timestamp = datetime.fromisoformat(version.created)
    except ValueError:
        # Made of no commit: then it is of now.
        metadata.timestamp = datetime.now().astimezone()
    bom = Bom(
        metadata=metadata,
        serial_number=uuid5(NAMESPACE_URL, f"nexus-{service}@{version.revision}"),
        components=[_component(package) for package in packages_in(archive)],
    )
    bom.register_dependency(image, bom.components)
    return make_outputter(bom, OutputFormat.JSON, _SCHEMA).output_as_string(indent=2)


def _component(package: Package) -> Component:
    namespace = "debian" if package.kind == "deb" else None
    url = PackageURL(package.kind, namespace, package.name, package.version)
    return Component(
        name=package.name,
        version=package.version,
        description=package.summary or None,
        licenses=_licences(package.licences),
        purl=url,
        bom_ref=str(url),
    )


def _licences(names: Iterable[str]) -> list[License]:
    make, found = LicenseFactory(), tuple(names)
    if len(found) == 1:
        return [make.make_from_string(found[0])]
    # Beside others, the format has no room for an expression.
    return [make.make_with_name(name) for name in found]
