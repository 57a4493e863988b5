"""Where the API server is and how we authenticate: in-cluster or by kubeconfig, by the official client's loaders."""

import os
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path

from kubernetes.aio import config
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import kube_config
from kubernetes.aio.config.incluster_config import SERVICE_HOST_ENV_NAME, InClusterConfigLoader


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """One way to reach one API server; PEM texts, not files."""

    server: str
    """Like https://10.96.0.1:443."""
    authorities: str | None = None
    """Certificates to trust; None: the system's."""
    verify: bool = True
    """False: accept any certificate, as the kubeconfig says."""
    certificate: str | None = None
    """Our certificate."""
    key: str | None = None
    """Its key."""
    authorization: str | None = None
    """Value of the header Authorization."""
    rotates: bool = False
    """It comes from a file that the kubelet replaces."""

    def hidden(self, text: str) -> str:
        """The text without our token: whatever answers may show what it was sent."""
        token = (self.authorization or "").rpartition(" ")[2]
        return text.replace(token, "[token]") if token else text

    def ssl_context(self) -> ssl.SSLContext:
        """For connections to the server."""
        context = ssl.create_default_context(cadata=self.authorities)
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.certificate and self.key:
            # The ssl module reads keys from files only.
            with tempfile.NamedTemporaryFile("w") as pair:
                pair.write(f"{self.certificate}\n{self.key}\n")
                pair.flush()
                context.load_cert_chain(pair.name)
        return context


class CredentialSource:
    """Loads credentials, and loads them again when a token has been rotated."""

    def __init__(self, kubeconfig: str, context: str, service_account_dir: str) -> None:
        self._kubeconfig = kubeconfig
        self._context = context
        self._token = Path(service_account_dir) / "token"
        self._authority = Path(service_account_dir) / "ca.crt"

    async def load(self) -> Credentials:
        """Read everything anew: files, or the kubeconfig's plugin. Raises `ConfigException` or `OSError`."""
        found = Configuration()
        if self._in_cluster:
            # The client library has no annotations here, nor below.
            loader = InClusterConfigLoader(str(self._token), str(self._authority))
            loader.load_and_set(found)  # pyright: ignore[reportUnknownMemberType]
        else:
            await config.load_kube_config(  # pyright: ignore[reportUnknownMemberType]
                config_file=self._kubeconfig or None,
                context=self._context or None,
                client_configuration=found,
                persist_config=False,
            )
        token: str | None = found.api_key.get("BearerToken")
        read = Credentials(
            server=found.host,
            authorities=_text(found.ssl_ca_cert),
            verify=found.verify_ssl,
            certificate=_text(found.cert_file),
            key=_text(found.key_file),
            authorization=token.strip() if token else None,
            rotates=self._in_cluster,
        )
        # It writes what a kubeconfig holds into files and removes them at a regular exit only.
        kube_config._cleanup_temp_files()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage, reportUnknownMemberType]
        return read

    @property
    def _in_cluster(self) -> bool:
        return not self._kubeconfig and SERVICE_HOST_ENV_NAME in os.environ and self._authority.is_file()


def _text(path: str | None) -> str | None:
    return Path(path).read_text() if path else None
