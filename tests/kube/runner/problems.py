"""Why a container can't start, in the words a kubelet uses for the reason."""


class NotYetError(Exception):
    """Something a pod needs isn't there; it is tried again when something changed."""

    def __init__(self, message: str, reason: str = "ContainerCreating") -> None:
        super().__init__(message)
        self.reason = reason


class UnsupportedError(Exception):
    """The pod asks for something that this runner doesn't do. It says so instead of ignoring it."""

    def __init__(self, message: str, reason: str = "CreateContainerConfigError") -> None:
        super().__init__(message)
        self.reason = reason
