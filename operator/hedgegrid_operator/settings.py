"""Settings: every one has a flag, an environment variable, a default and a line of help."""

import argparse
import dataclasses
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hedgegrid_api import __version__
from hedgegrid_operator.access import listed, namespace_names, networks, pod_labels, ports
from hedgegrid_operator.desired.network_policy import Access
from hedgegrid_operator.desired.stateful_set import ImageDefaults

ENVIRONMENT_PREFIX = "HEDGEGRID_OPERATOR_"
_LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


def _setting(default: object, text: str, *, metavar: str = "TEXT", choices: tuple[str, ...] = ()) -> Any:
    return dataclasses.field(default=default, metadata={"help": text, "metavar": metavar, "choices": choices})


def _seconds(default: float, text: str) -> Any:
    return _setting(float(default), text, metavar="SECONDS")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the operator runs."""

    kubeconfig: str = _setting("", "kubeconfig file; empty: in-cluster, else $KUBECONFIG or ~/.kube/config")
    context: str = _setting("", "context of the kubeconfig; empty: its current one")
    service_account_dir: str = _setting(
        "/var/run/secrets/kubernetes.io/serviceaccount", "folder of token, ca.crt and namespace", metavar="FOLDER"
    )
    namespace: str = _setting("", "namespace of the operator's Lease, keys and notes; empty: the pod's own")
    watch_namespaces: str = _setting("", "namespaces of the grids, comma separated; empty: all")
    strategy_image: str = _setting("hedgegrid-strategy", "repository of the strategy image")
    strategy_tag: str = _setting(__version__, "tag of the strategy image")
    strategy_pull_policy: str = _setting(
        "IfNotPresent", "pull policy of the strategy image", choices=("Always", "IfNotPresent", "Never")
    )
    strategy_digest: str = _setting("", "digest of the strategy image, sha256:…; outranks the tag")
    strategy_pull_secrets: str = _setting("", "pull secrets of strategy pods that name none, comma separated")
    strategy_user: str = _setting(
        "10001", "user and group of the strategy pods; empty: the cluster assigns them (OpenShift)", metavar="UID"
    )
    installation: str = _setting(
        "", "whose grids this operator runs (annotation hedgegrid.io/installation); empty: the name of its namespace"
    )
    runbook_url: str = _setting(
        "", "address of the alerts' pages, for grids with an own PrometheusRule; empty: docs/runbooks", metavar="URL"
    )
    network_policy: str = _setting(
        "off",
        "whether each strategy pod gets a NetworkPolicy that lets in and out only what it needs",
        choices=("off", "on"),
    )
    network_policy_operator_labels: str = _setting(
        "app.kubernetes.io/name=hedgegrid-operator",
        "labels of the operator's pods, which may call the pods, comma separated; empty: all pods of its namespace",
    )
    network_policy_api_namespaces: str = _setting(
        "", "namespaces whose pods may call the pods' API, too, comma separated"
    )
    network_policy_metrics_namespaces: str = _setting(
        "", "namespaces whose pods may scrape the pods, comma separated; empty: nobody scrapes them"
    )
    network_policy_api_server_cidrs: str = _setting(
        "", "networks in which pods find the API server, comma separated; empty: anywhere", metavar="CIDR"
    )
    network_policy_api_server_ports: str = _setting("443,6443", "its ports, comma separated", metavar="PORTS")
    lease_name: str = _setting("hedgegrid-operator", "Lease that makes one operator the leader")
    lease_duration: float = _seconds(15, "how long a Lease that isn't renewed keeps others away")
    renew_deadline: float = _seconds(10, "without a renewal for this long, nothing is written to the API server")
    retry_period: float = _seconds(2, "pause between two renewals, or two tries to acquire")
    keys_secret: str = _setting("hedgegrid-operator-keys", "Secret of the master key, made at the first start")
    ca_secret: str = _setting(
        "hedgegrid-operator-ca", "Secret of the pods' certificate authority, made at the first start"
    )
    ca_lifetime: float = _seconds(315_360_000, "life of that authority; it is renewed when a fifth of that is left")
    certificate_lifetime: float = _seconds(
        7_776_000, "life of the pods' certificates; they are renewed when a third of that is left"
    )
    poll_interval: float = _seconds(5, "pause between two reads of a pod's report")
    kill_poll_interval: float = _seconds(0.25, "the same while a kill is under way")
    polls_per_second: int = _setting(
        80,
        "such reads a second, of all pods that aren't being killed; with more pods each is read less often",
        metavar="N",
    )
    resync_interval: float = _seconds(12, "pause between two LISTs of grids, StatefulSets and pods")
    conflict_window: float = _seconds(600, "a child that is changed more than 3 times in this time is a conflict")
    conflict_pause: float = _seconds(300, "pause between two times that a child in conflict is put back")
    children_interval: float = _seconds(60, "pause between two checks of the children that aren't watched")
    secret_interval: float = _seconds(1200, "pause between two reads of a grid's Secrets, which can't be listed")
    pod_timeout: float = _seconds(2, "how long a pod may take to answer")
    request_timeout: float = _seconds(10, "how long the API server may take to answer")
    workers: int = _setting(16, "grids that are reconciled at the same time; kills have no limit", metavar="N")
    health_host: str = _setting("", "address of /healthz, /readyz and /metrics; empty: all", metavar="ADDRESS")
    health_port: int = _setting(8081, "port of the same; 0: any free one", metavar="PORT")
    log_level: str = _setting("INFO", "least severe messages to log", choices=_LOG_LEVELS)

    @property
    def namespaces(self) -> tuple[str | None, ...]:
        """Namespaces to watch; (None,) is all of them."""
        return listed(self.watch_namespaces) or (None,)

    @property
    def access(self) -> Access | None:
        """Who may talk to the pods; None where no NetworkPolicy says so. `ValueError` names a text that is wrong."""
        if self.network_policy == "off":
            return None
        return Access(
            operator_namespace=self.own_namespace,
            operator_labels=self._read("network_policy_operator_labels", pod_labels),
            api_namespaces=self._read("network_policy_api_namespaces", namespace_names),
            metrics_namespaces=self._read("network_policy_metrics_namespaces", namespace_names),
            api_server_cidrs=self._read("network_policy_api_server_cidrs", networks),
            api_server_ports=self._read("network_policy_api_server_ports", ports),
        )

    def _read[T](self, name: str, reader: Callable[[str], T]) -> T:
        try:
            return reader(getattr(self, name))
        except ValueError as error:
            raise ValueError(f"--{name.replace('_', '-')}: {error}") from error

    @property
    def image_defaults(self) -> ImageDefaults:
        """What strategy pods have where their object says nothing."""
        return ImageDefaults(
            repository=self.strategy_image,
            tag=self.strategy_tag,
            digest=self.strategy_digest,
            pull_policy=self.strategy_pull_policy,
            pull_secrets=listed(self.strategy_pull_secrets),
            user=int(self.strategy_user) if self.strategy_user else None,
        )

    @property
    def own_installation(self) -> str:
        """Name of the installation."""
        return self.installation or self.own_namespace

    @property
    def own_namespace(self) -> str:
        """Namespace of the operator."""
        if self.namespace:
            return self.namespace
        file = Path(self.service_account_dir) / "namespace"
        return file.read_text().strip() if file.is_file() else "hedgegrid-system"


def own_name(environ: Mapping[str, str]) -> str:
    """Name of the operator's pod, else of the machine."""
    return environ.get("POD_NAME") or socket.gethostname()


def parse(arguments: Sequence[str], environ: Mapping[str, str] = os.environ) -> Settings:
    """Settings from flags, else environment variables, else defaults; exits with a message on a wrong one."""
    parser = argparse.ArgumentParser(
        prog="python -m hedgegrid_operator",
        description="Runs HedgeGrid objects: one strategy pod each, its controls and status kept in step.",
        epilog="A flag outranks its environment variable.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    for field in dataclasses.fields(Settings):
        variable = ENVIRONMENT_PREFIX + field.name.upper()
        default: Any = field.default
        parser.add_argument(
            "--" + field.name.replace("_", "-"),
            # A text is parsed by `type` like a flag, so that a wrong variable gives the same message.
            default=environ.get(variable, str(default)),
            type=type(default) if isinstance(default, int) else float if isinstance(default, float) else str,
            choices=field.metadata["choices"] or None,
            metavar=field.metadata["metavar"] if not field.metadata["choices"] else None,
            help=f"{field.metadata['help']} [{default!r}; ${variable}]".replace("%", "%%"),
        )
    found = Settings(**vars(parser.parse_args(arguments)))
    wrong = _contradiction(found)
    if wrong:
        parser.error(wrong)
    return found


def _contradiction(found: Settings) -> str | None:
    for field in dataclasses.fields(found):
        value = getattr(found, field.name)
        if isinstance(value, int | float) and value <= 0 and field.name != "health_port":
            return f"--{field.name.replace('_', '-')} must be greater than 0"
    if found.strategy_user and not (found.strategy_user.isdecimal() and int(found.strategy_user) > 0):
        return f"--strategy-user is {found.strategy_user!r}: a number greater than 0, or empty"
    try:
        _ = found.access
    except ValueError as error:
        return str(error)
    if not found.retry_period < found.renew_deadline < found.lease_duration:
        return "--retry-period < --renew-deadline < --lease-duration must hold"
    if 5 * found.certificate_lifetime > found.ca_lifetime:
        return "--certificate-lifetime may be a fifth of --ca-lifetime at most"
    return None
