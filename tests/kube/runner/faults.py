"""Faults that tests ask for, by namespace and pod name. They hold for every later pod of that name until healed."""

import asyncio
from dataclasses import dataclass, field
from fnmatch import fnmatchcase


@dataclass
class Traffic:
    """What a relay does to the connections of one pod."""

    answer_delay: float = 0.0
    """Seconds by which bytes from the pod are held back."""
    request_delay: float = 0.0
    """Seconds by which bytes to the pod are held back."""
    drop_answers: bool = False
    """Cut a connection at the first byte that the pod answers."""
    refused: bool = False
    """Nobody listens at the pod's address."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Replaced and set at each change, so that what waits looks again."""

    def notify(self) -> None:
        """Wake everything that waits under the old faults."""
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()


@dataclass
class PodFaults:
    """All faults of the pods of one name."""

    frozen: bool = False
    lost: bool = False
    """Its node is gone: nothing is reported, probed, stopped or removed any more. (The processes are frozen, too.)"""
    out_of_memory: bool = False
    """The next SIGKILL counts as the kernel's, for want of memory."""
    traffic: Traffic = field(default_factory=Traffic)


@dataclass(frozen=True)
class Hold:
    """Pods that are not to be bound."""

    namespace: str
    pattern: str
    unschedulable: bool


class Faults:
    """The faults of one cluster."""

    def __init__(self) -> None:
        self._pods: dict[tuple[str, str], PodFaults] = {}
        self._holds: dict[tuple[str, str], Hold] = {}
        self._refused_images: set[str] = set()
        self.server = Traffic()
        """Between all pods and the API server."""

    def of(self, namespace: str, name: str) -> PodFaults:
        """The faults of the pods of this name; made where there are none."""
        return self._pods.setdefault((namespace, name), PodFaults())

    def heal(self, namespace: str, name: str) -> None:
        """Take all faults of this pod away."""
        faults = self.of(namespace, name)
        faults.frozen = faults.lost = faults.out_of_memory = False
        traffic = faults.traffic
        traffic.answer_delay = traffic.request_delay = 0.0
        traffic.drop_answers = traffic.refused = False
        traffic.notify()

    def forget(self, namespace: str) -> list[str]:
        """Take away all faults and holds of a namespace; returns the names of its pods that had any."""
        names = [name for owner, name in self._pods if owner == namespace]
        for name in names:
            self.heal(namespace, name)
        self._holds = {key: hold for key, hold in self._holds.items() if hold.namespace != namespace}
        return names

    def hold(self, hold: Hold) -> None:
        """Leave matching pods Pending from now on."""
        self._holds[hold.namespace, hold.pattern] = hold

    def release(self, namespace: str, pattern: str) -> None:
        """End a hold; one that doesn't exist is no error."""
        self._holds.pop((namespace, pattern), None)

    def held(self, namespace: str, name: str) -> Hold | None:
        """The hold that keeps this pod Pending."""
        return next(
            (h for h in self._holds.values() if h.namespace == namespace and fnmatchcase(name, h.pattern)), None
        )

    def refuse_image(self, image: str) -> None:
        """Let pulls of exactly this image (repository:tag) fail."""
        self._refused_images.add(image)

    def accept_image(self, image: str) -> None:
        """Let pulls of this image succeed again."""
        self._refused_images.discard(image)

    def image_refused(self, image: str) -> bool:
        """Whether pulls of this image fail."""
        return image in self._refused_images
