"""Where the API server is and how we authenticate: in-cluster or by kubeconfig, by the official client's loaders."""

import os
import ssl
from dataclasses import dataclass
from pathlib import Path

from kubernetes.aio import config
from kubernetes.aio.client import Configuration
from kubernetes.aio.config.incluster_config import SERVICE_CERT_FILENAME, SERVICE_HOST_ENV_NAME


@dataclass(frozen=True, slots=True)
class Credentials:
    """One way to reach one API server."""

    server: str
    """Like https://10.96.0.1:443."""
    ca_path: str | None = None
    """PEM file of the authorities; None: the system's."""
    verify: bool = True
    """False: accept any certificate, as the kubeconfig says."""
    certificate_path: str | None = None
    """PEM file of our certificate."""
    key_path: str | None = None
    """PEM file of its key."""
    authorization: str | None = None
    """Value of the header Authorization."""

    def ssl_context(self) -> ssl.SSLContext:
        """For connections to the server."""
        context = ssl.create_default_context(cafile=self.ca_path)
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.certificate_path:
            context.load_cert_chain(self.certificate_path, self.key_path)
        return context


class CredentialSource:
    """Loads credentials, and loads them again when a token has been rotated."""

    def __init__(self, kubeconfig: str, context: str) -> None:
        self._kubeconfig = kubeconfig
        self._context = context

    async def load(self) -> Credentials:
        """Read everything anew: files, or the kubeconfig's plugin. Raises `ConfigException` or `OSError`."""
        found = Configuration()
        if not self._kubeconfig and _in_cluster():
            # The client library has no annotations here, nor below.
            config.load_incluster_config(client_configuration=found)  # pyright: ignore[reportUnknownMemberType]
        else:
            await config.load_kube_config(  # pyright: ignore[reportUnknownMemberType]
                config_file=self._kubeconfig or None,
                context=self._context or None,
                client_configuration=found,
                persist_config=False,
            )
        token: str | None = found.api_key.get("BearerToken")
        return Credentials(
            server=found.host,
            ca_path=found.ssl_ca_cert,
            verify=found.verify_ssl,
            certificate_path=found.cert_file,
            key_path=found.key_file,
            authorization=token.strip() if token else None,
        )


def _in_cluster() -> bool:
    return SERVICE_HOST_ENV_NAME in os.environ and Path(SERVICE_CERT_FILENAME).is_file()
