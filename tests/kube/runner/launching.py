"""From a container's spec to what is started: image, command, environment, with everything put in."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tests.kube.apiclient import Json
from tests.kube.runner import environment
from tests.kube.runner.container import Launch
from tests.kube.runner.environment import Node
from tests.kube.runner.faults import Faults
from tests.kube.runner.objects import Objects
from tests.kube.runner.probes import Probe, Target
from tests.kube.runner.problems import NotYetError, UnsupportedError
from tests.kube.runner.substitution import Substitution, expand
from tests.kube.runner.volumes import mount_folders
from tests.kube.settings import ClusterSettings


@dataclass(frozen=True)
class Images:
    """Which folder of programs stands for an image: by repository, without tag and digest."""

    default: Path
    by_repository: Mapping[str, Path]

    @classmethod
    def of(cls, settings: ClusterSettings) -> "Images":
        """As asked for."""
        folders = {repository: Path(folder) for repository, folder in settings.images.items()}
        return cls(Path(settings.programs), folders)

    def programs(self, image: str) -> Path:
        """The folder that comes first in PATH."""
        repository = image.split("@", maxsplit=1)[0]
        if ":" in repository.rpartition("/")[2]:
            repository = repository.rpartition(":")[0]
        return self.by_repository.get(repository, self.default)


@dataclass(frozen=True)
class Launcher:
    """What starting containers takes, besides the pod."""

    server: str
    node: Node
    images: Images
    objects: Objects
    faults: Faults
    session: aiohttp.ClientSession

    async def launch(
        self, container: Json, pod: Json, folder: Path, folders: Mapping[str, Path], address: str
    ) -> Launch:
        """Everything for one start of a container whose pod listens at `address`.

        Raises NotYetError for an image that can't be had now or a missing ConfigMap or Secret, UnsupportedError.
        """
        image = container["image"]
        if self.faults.image_refused(image):
            raise NotYetError(f'Back-off pulling image "{image}": not found', "ImagePullBackOff")
        _refuse_unsupported(container)
        programs = self.images.programs(image)
        mounts = mount_folders(container, folders)
        _make_missing(mounts)
        substitute = Substitution(address, mounts)
        base = environment.base_environment(pod, folder, programs, self.server)
        variables = await environment.resolve(container, pod, self.objects, self.node, base, substitute)
        words = [*container["command"], *container.get("args", [])]
        argv = [substitute(expand(word, variables)) for word in words]
        home = Path(substitute(container["workingDir"])) if "workingDir" in container else folder
        ports = {port["name"]: port["containerPort"] for port in container.get("ports", []) if "name" in port}
        target = Target(address, ports, variables, home, substitute, self.session)
        return Launch([_program(argv[0], programs), *argv[1:]], variables, home, target)


def _make_missing(mounts: Mapping[str, str]) -> None:
    """A subPath that isn't there is made, as a kubelet does."""
    for folder in map(Path, mounts.values()):
        if not folder.exists():
            folder.mkdir(parents=True)


def _refuse_unsupported(container: Json) -> None:
    name = container["name"]
    if not container.get("command"):
        raise UnsupportedError(f"the pod runner pulls no images, so container {name} needs a command", "ErrImagePull")
    for feature in ("lifecycle", "volumeDevices"):
        if container.get(feature):
            raise UnsupportedError(f"the pod runner does not know {feature} (container {name})")
    if container.get("restartPolicy"):
        raise UnsupportedError(f"the pod runner does not know sidecars: restartPolicy of init container {name}")
    for kind in ("startup", "liveness", "readiness"):
        Probe.of(container, kind)


def _program(word: str, programs: Path) -> str:
    """The image's program of that name, else whatever PATH finds."""
    inside = programs / word
    return str(inside) if "/" not in word and inside.exists() else word
