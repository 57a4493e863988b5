"""ConfigMaps and Secrets as the node knows them, by watch: containers restart without the API server."""

from collections.abc import Callable
from typing import Literal

from tests.kube.apiclient import ApiClient, Json
from tests.kube.errors import ApiError
from tests.kube.runner.informer import Informer, key_of

type Kind = Literal["configmaps", "secrets"]


class Objects:
    """Reads ConfigMaps and Secrets; calls `changed(kind, namespace, name)` when one is new, differs or is gone."""

    def __init__(self, client: ApiClient, changed: Callable[[Kind, str, str], None]) -> None:
        self._client = client
        self.informers: dict[Kind, Informer] = {
            kind: self._informer(client, kind, changed) for kind in ("configmaps", "secrets")
        }

    async def get(self, kind: Kind, namespace: str, name: str) -> Json | None:
        """The object, None where there is none; raises what the client raises when it has to ask."""
        known = self.informers[kind].items.get((namespace, name))
        if known:
            return known
        try:  # a watch may be behind what the creator of the pod already knows
            return await self._client.get(f"/api/v1/namespaces/{namespace}/{kind}/{name}")
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    @staticmethod
    def _informer(client: ApiClient, kind: Kind, changed: Callable[[Kind, str, str], None]) -> Informer:
        def report(item: Json) -> None:
            changed(kind, *key_of(item))

        return Informer(client, f"/api/v1/{kind}", report, report)
