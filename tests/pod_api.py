"""A pod's control API, called by its address and known by the name in its certificate, as the operator does."""

import http.client
import json
import socket
import ssl
from typing import Any, override

type Json = dict[str, Any]

PORT = 8080


def host_name(uid: str) -> str:
    """The name by which the operator knows the pod of a grid."""
    return f"{uid}.hedgegrid.internal"


def trusting(authorities: bytes) -> ssl.SSLContext:
    """Trusts the authorities in `ca.crt` of a Secret `hedgegrid-<name>-tls`."""
    return ssl.create_default_context(cadata=authorities.decode())


class Connection(http.client.HTTPSConnection):
    """To an address, checking another name than that."""

    def __init__(
        self, address: str, name: str, context: ssl.SSLContext, timeout: float, port: int | None = None
    ) -> None:
        super().__init__(address, port or PORT, context=context, timeout=timeout)
        self._name = name
        self._tls = context

    @override
    def connect(self) -> None:
        raw = socket.create_connection((self.host, self.port), self.timeout)
        self.sock = self._tls.wrap_socket(raw, server_hostname=self._name)


def call(
    connection: Connection, method: str, path: str, body: Json | None = None, key: str | None = None
) -> tuple[int, Json]:
    """One request; status and answer. Raises OSError, `http.client.HTTPException`."""
    headers = {"Content-Type": "application/json"} | ({"X-API-Key": key} if key else {})
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()
