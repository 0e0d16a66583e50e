"""The signed URLs of the scheduler, as our own settings and those of Go deployments describe them.

Go deployments set `s3-buffer.request-payload-proxy-configuration`; ours have `signing` and
`scheduler-url`, which embedded parts need too.
"""

from typing import TypeVar

from nexus_core.domain.data_urls import DEFAULT_TENANT, SignedUrls
from nexus_core.domain.errors import InvalidInputError
from nexus_core.settings.loader import SettingsError, variable_of
from nexus_core.settings.sections import ServiceSettings
from nexus_core.settings.values import Secret

T = TypeVar("T", str, Secret)

_GO = ("s3-buffer", "request-payload-proxy-configuration")

# The path of `Door.PAYLOADS`; Go deployments may leave out the first slash.
_SERVED = "/data/v1/payloads/%s/requests/%s"


def signing_secret(settings: ServiceSettings) -> Secret:
    """Return the secret that somebody set under either name; empty when nobody did.

    Raises:
        SettingsError: both are set, and differ.
    """
    theirs = settings.s3_buffer.request_payload_proxy_configuration.sign_secret
    return _agreed("secret", settings.signing.secret, "sign-secret", theirs)


class OwnSecret(Secret):
    """Made by this process for itself: no other one verifies what was signed with it."""

    __slots__ = ()


def shares_its_secret(settings: ServiceSettings) -> bool:
    """Tell whether URLs that are signed here open something at every scheduler."""
    return not isinstance(signing_secret(settings), OwnSecret)


def open_signed_urls(settings: ServiceSettings) -> SignedUrls:
    """Return what makes and verifies URLs.

    Raises:
        SettingsError: the secret is too long, or the names of ours and of Go's contradict.
    """
    go, ours = settings.s3_buffer.request_payload_proxy_configuration, settings.signing
    served = go.serve_path_template
    if served and f"/{served.lstrip('/')}" != _SERVED:
        raise _bad((*_GO, "serve-path-template"), f"must be {_SERVED}, or empty")
    own_tenant = "" if ours.tenant_id == DEFAULT_TENANT else ours.tenant_id
    tenant = _agreed("tenant-id", own_tenant, "tenant-id", go.tenant_id) or ours.tenant_id
    base_url = settings.scheduler_url
    if go.external_name:
        if "/" in go.external_name:
            raise _bad((*_GO, "external-name"), "must be a host, with a port if need be")
        base_url = f"{'http' if go.insecure else 'https'}://{go.external_name}"
    try:
        return SignedUrls(base_url, signing_secret(settings).encode(), tenant)
    except InvalidInputError as error:
        path = (*_GO, "sign-secret") if go.sign_secret else ("signing", "secret")
        raise _bad(path, str(error)) from error


def _agreed(our_name: str, ours: T, their_name: str, theirs: T) -> T:
    if ours and theirs and ours != theirs:
        ours_path, theirs_path = ("signing", our_name), (*_GO, their_name)
        raise _bad(theirs_path, f"must be the same as {_named(ours_path)}, or one of them empty")
    return theirs or ours


def _bad(path: tuple[str, ...], problem: str) -> SettingsError:
    return SettingsError(f"{_named(path)}: {problem}")


def _named(path: tuple[str, ...]) -> str:
    return f"{'.'.join(path)} ({variable_of(path)})"
