"""Jobs that were stored when they were built, and are changed before they are sent."""

import msgspec

from nexus_core.domain.errors import InvalidInputError
from nexus_core.domain.job_manifest import (
    PAYLOAD_URL_VARIABLE,
    RESULT_UPLOAD_URL_VARIABLE,
    RunUrls,
    encode_job,
)


def without_owner(manifest: bytes) -> bytes:
    """Return a stored Job that no other Job owns.

    Raises:
        InvalidInputError: the manifest is no Job.
    """
    try:
        job = msgspec.json.decode(manifest)
        job["metadata"].pop("ownerReferences", None)
    except (msgspec.DecodeError, LookupError, TypeError, AttributeError) as error:
        raise InvalidInputError("The stored manifest is no Job") from error
    return encode_job(job)


def renew_urls(manifest: bytes, old_payload: str, new: RunUrls) -> bytes:
    """Return a stored Job with the URLs that expire made anew.

    In the arguments the old payload URL gives way to the new one, which also serves Jobs that the
    Go implementation stored. Variables of ours are told by their names. The services' addresses
    stay: they don't expire, and the template may have set them.

    Raises:
        InvalidInputError: the manifest is no Job.
    """
    renewed = {
        PAYLOAD_URL_VARIABLE: new.payload,
        RESULT_UPLOAD_URL_VARIABLE: new.result_upload,
    }
    try:
        job = msgspec.json.decode(manifest)
        containers = job["spec"]["template"]["spec"]["containers"]
    except (msgspec.DecodeError, LookupError, TypeError) as error:
        raise InvalidInputError("The stored manifest is no Job") from error
    for container in containers:
        arguments = container.get("args")
        if arguments and old_payload:
            container["args"] = [text.replace(old_payload, new.payload) for text in arguments]
        for variable in container.get("env") or ():
            if url := renewed.get(variable["name"]):
                variable["value"] = url
    return encode_job(job)
