"""Credentials from a kubeconfig file."""

import base64
import binascii
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from nexus_core.adapters.kubernetes.access import Access, Tls
from nexus_core.adapters.kubernetes.exec_plugin import ExecConfig, ExecCredential, ask_plugin
from nexus_core.domain.errors import InvalidInputError, UnavailableError
from nexus_core.settings.yaml_problem import yaml_problem


class _Part(msgspec.Struct, frozen=True, rename="kebab", kw_only=True):
    """A part of the file; fields without a meaning here are not read."""


class _Cluster(_Part, frozen=True):
    server: str
    certificate_authority: str = ""
    certificate_authority_data: str = ""
    insecure_skip_tls_verify: bool = False
    tls_server_name: str = ""
    proxy_url: str = ""


class _User(_Part, frozen=True):
    client_certificate: str = ""
    client_certificate_data: str = ""
    client_key: str = ""
    client_key_data: str = ""
    token: str = ""
    token_file: str = msgspec.field(default="", name="tokenFile")
    username: str = ""
    password: str = ""
    exec: ExecConfig | None = None
    auth_provider: dict[str, Any] | None = None


class _Context(_Part, frozen=True):
    cluster: str
    user: str = ""


class _NamedCluster(_Part, frozen=True):
    name: str
    cluster: _Cluster


class _NamedUser(_Part, frozen=True):
    name: str
    user: _User | None = None


class _NamedContext(_Part, frozen=True):
    name: str
    context: _Context


class _File(_Part, frozen=True):
    current_context: str = ""
    clusters: list[_NamedCluster] | None = None
    users: list[_NamedUser] | None = None
    contexts: list[_NamedContext] | None = None


_Named = TypeVar("_Named", _NamedCluster, _NamedUser, _NamedContext)


class KubeconfigFile:
    """One context of a kubeconfig file. All of its files are read again with each `load`."""

    def __init__(self, path: Path, context: str = "") -> None:
        """Take the file, and the name of a context; empty: the file's current one."""
        self._path = path
        self._context = context
        self._handed_out: tuple[ExecConfig, ExecCredential] | None = None

    @property
    def origin(self) -> str:
        """What messages call it."""
        return f"kubeconfig {self._path}"

    async def load(self, *, anew: bool) -> Access:
        """Read the file and what it refers to.

        Args:
            anew: ask an exec plug-in again, though what it handed out may still be good.

        Raises:
            InvalidInputError: the file, or one that it names, can't be read or is not sound.
            UnavailableError: the exec plug-in hands out nothing.

        Each says so in one line that names the file and what of it.
        """
        try:
            return await self._load(anew=anew)
        except InvalidInputError as error:
            raise InvalidInputError(f"{self.origin}: {error}") from error
        except UnavailableError as error:
            raise UnavailableError(f"{self.origin}: {error}") from error

    async def _load(self, *, anew: bool) -> Access:
        file = _parse(self._path)
        name = self._context or file.current_context
        if not name:
            raise InvalidInputError("has no current-context")
        context = _find("context", name, file.contexts).context
        cluster = _find("cluster", context.cluster, file.clusters).cluster
        user = _User()
        if context.user:
            user = _find("user", context.user, file.users).user or user
        if not cluster.server.startswith(("https://", "http://")):
            raise InvalidInputError(f"server of cluster '{context.cluster}' is no URL")
        if cluster.proxy_url and not cluster.proxy_url.startswith(("https://", "http://")):
            raise InvalidInputError(f"proxy-url of cluster '{context.cluster}' is none of HTTP")
        handed_out = await self._ask(user.exec, cluster, anew=anew)
        return Access(
            server=cluster.server.rstrip("/"),
            user=context.user,
            tls=self._tls(cluster, user, handed_out) if cluster.server[4] == "s" else None,
            server_name=cluster.tls_server_name,
            proxy=cluster.proxy_url,
            authorization=self._authorization(user, handed_out),
            expires_at=handed_out.expiration_timestamp,
        )

    async def _ask(
        self, config: ExecConfig | None, cluster: _Cluster, *, anew: bool
    ) -> ExecCredential:
        """Return what the exec plug-in hands out, asking it only when that is needed."""
        if config is None:
            return ExecCredential()
        if self._handed_out is not None and not anew and self._handed_out[0] == config:
            return self._handed_out[1]
        told = {
            "server": cluster.server,
            "tls-server-name": cluster.tls_server_name,
            "insecure-skip-tls-verify": cluster.insecure_skip_tls_verify,
            "certificate-authority-data": cluster.certificate_authority_data,
        }
        told = {field: value for field, value in told.items() if value}
        credential = await ask_plugin(config, self._path.parent, told)
        self._handed_out = (config, credential)
        return credential

    def _tls(self, cluster: _Cluster, user: _User, handed_out: ExecCredential) -> Tls:
        if handed_out.client_certificate_data:
            certificate = handed_out.client_certificate_data.encode()
            key = handed_out.client_key_data.encode()
        else:
            certificate = self._content(
                "client-certificate", user.client_certificate, user.client_certificate_data
            )
            key = self._content("client-key", user.client_key, user.client_key_data)
        if bool(certificate) != bool(key):
            raise InvalidInputError("a client certificate and its key come together, or not at all")
        return Tls(
            ca=self._content(
                "certificate-authority",
                cluster.certificate_authority,
                cluster.certificate_authority_data,
            ),
            certificate=certificate,
            key=key,
            verify=not cluster.insecure_skip_tls_verify,
        )

    def _authorization(self, user: _User, handed_out: ExecCredential) -> str:
        if handed_out.token:
            return f"Bearer {handed_out.token}"
        token = user.token
        # The file goes first, since whoever replaces the token writes there.
        if user.token_file:
            token = self._read("tokenFile", user.token_file).decode("ascii", "replace").strip()
        if token:
            return f"Bearer {token}"
        if user.username:
            plain = f"{user.username}:{user.password}".encode()
            return f"Basic {base64.b64encode(plain).decode()}"
        if user.auth_provider is not None:
            raise InvalidInputError(
                "auth-provider is no longer supported by Kubernetes; use an exec plug-in"
            )
        return ""

    def _content(self, what: str, file: str, data: str) -> bytes:
        """Return what is written in the kubeconfig, or in the file that it names."""
        if not data:
            return self._read(what, file) if file else b""
        try:
            # Long lines are often folded.
            return base64.b64decode("".join(data.split()), validate=True)
        except binascii.Error as error:
            raise InvalidInputError(f"{what}-data is not base64") from error

    def _read(self, what: str, file: str) -> bytes:
        try:
            return (self._path.parent / file).read_bytes()
        except OSError as error:
            raise InvalidInputError(
                f"{what} {error.filename} can't be read: {error.strerror}"
            ) from error


def _parse(path: Path) -> _File:
    try:
        tree = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise InvalidInputError(f"can't be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"is not YAML: {yaml_problem(error)}") from error
    try:
        return msgspec.convert(tree, _File)
    except msgspec.ValidationError as error:
        raise InvalidInputError(f"is no kubeconfig: {error}") from error


def _find(kind: str, name: str, among: list[_Named] | None) -> _Named:
    for entry in among or ():
        if entry.name == name:
            return entry
    has = ", ".join(f"'{entry.name}'" for entry in among or ()) or "none"
    raise InvalidInputError(f"has no {kind} '{name}' (it has {has})")
