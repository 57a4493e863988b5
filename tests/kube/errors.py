"""What can go wrong around a cluster, in words for the person who started it."""

from collections.abc import Sequence


class ClusterUnavailable(Exception):  # noqa: N818 - reads as what is the matter
    """No cluster can be had here; the message says why and what helps."""


class KubectlFailed(Exception):  # noqa: N818 - reads as what is the matter
    """kubectl ended with another code than 0."""

    def __init__(self, arguments: Sequence[str], code: int, stderr: str) -> None:
        super().__init__(f"kubectl {' '.join(arguments)} ended with {code}: {stderr.strip()}")
        self.arguments = tuple(arguments)
        self.code = code
        self.stderr = stderr


class ApiError(Exception):
    """The API server refused a request."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message


class HostError(Exception):
    """The host of the cluster could not do what it was asked."""
