"""Certificates, kubeconfigs and configuration files of a node, and its daemons' start."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.kube import kubeconfig
from tests.kube.certificates import Authority, write_signing_key
from tests.kube.errors import ClusterUnavailable
from tests.kube.node import daemons, packages
from tests.kube.node.addresses import NODE_NAME, SERVER
from tests.kube.node.daemons import SERVER_ADDRESSES, SERVER_NAMES, Keys
from tests.kube.node.inside import Daemon, Inside

# Garbage collection at four times the default heap growth starts the API server half a second sooner.
SERVER_ENVIRONMENT = {"GOGC": "400"}


@dataclass(frozen=True)
class Programs:
    """Where the daemons' programs are."""

    control_plane: Path
    """Folder with etcd, kube-apiserver, kube-controller-manager."""
    node: Path
    """Folder with kubelet, kube-scheduler, kube-proxy."""


class Plane:
    """The daemons of one node, by name."""

    def __init__(self, folder: Path, inside: Inside, programs: Programs) -> None:
        self.daemons: dict[str, Daemon] = {}
        self._folder = folder
        self._inside = inside
        self._programs = programs
        certificates = folder / "certificates"
        self._authority = authority = Authority(certificates)
        self._keys = Keys(
            authority=authority.certificate,
            server=authority.server("apiserver", SERVER_ADDRESSES, SERVER_NAMES),
            kubelet_client=authority.client("apiserver-kubelet-client", "kube-apiserver", "system:masters"),
            kubelet_server=authority.server("kubelet", SERVER_ADDRESSES, [NODE_NAME]),
            tokens=write_signing_key(certificates),
        )

    def write_admin_kubeconfig(self, path: Path, server: str) -> None:
        """For an administrator who comes by the address `server`."""
        admin = self._authority.client("admin", "kubernetes-admin", "system:masters")
        kubeconfig.write_for_certificate(path, server, self._keys.authority, admin)

    def launch_server(self) -> None:
        """Start containerd, etcd and the API server, which waits for etcd by itself."""
        cni_plugins, runc = packages.cni_folder(), shutil.which("runc", path=packages.PATH)
        if cni_plugins is None or runc is None:
            raise ClusterUnavailable(f"a node needs {', '.join(packages.missing())}")
        network = self._folder / "cni"
        (network / "pods.conflist").write_text(daemons.cni_configuration())
        configuration = self._folder / "containerd.toml"
        configuration.write_text(daemons.containerd_configuration(cni_plugins, network, runc))
        self._start("containerd", ["containerd", f"--config={configuration}"])
        self._start("etcd", [self._control("etcd"), *daemons.etcd(self._folder)])
        self._start(
            "kube-apiserver", [self._control("kube-apiserver"), *daemons.apiserver(self._keys)], SERVER_ENVIRONMENT
        )

    def launch_controllers(self) -> None:
        """Start controllers and scheduler."""
        config = self._kubeconfig("kube-controller-manager", "system:kube-controller-manager")
        flags = daemons.controller_manager(config, self._keys)
        self._start("kube-controller-manager", [self._control("kube-controller-manager"), *flags])
        config = self._kubeconfig("kube-scheduler", "system:kube-scheduler")
        self._start("kube-scheduler", [self._node("kube-scheduler"), *daemons.scheduler(config)])

    def launch_kubelet(self) -> None:
        """Start kubelet and proxy."""
        resolv_conf = self._folder / "resolv.conf"
        resolv_conf.write_text("")
        configuration = self._folder / "kubelet.json"
        configuration.write_text(daemons.kubelet_configuration(self._folder.name, resolv_conf, self._keys))
        config = self._kubeconfig("kubelet", f"system:node:{NODE_NAME}", "system:nodes")
        self._start("kubelet", [self._node("kubelet"), *daemons.kubelet(config, configuration)])
        config = self._kubeconfig("kube-proxy", "system:kube-proxy")
        self._start("kube-proxy", [self._node("kube-proxy"), *daemons.proxy(config)])

    def launch_firewall(self, program: str) -> Daemon:
        """Start what holds pods to NetworkPolicies; it isn't one of the daemons that a node can't do without."""
        config = self._kubeconfig("kube-router", "kube-router", "system:masters")
        return self._inside.start("kube-router", [program, *daemons.firewall(config)])

    def check(self) -> None:
        """Raise HostError with the last words of a daemon that has ended."""
        for daemon in self.daemons.values():
            daemon.check()

    def _start(self, name: str, argv: list[str], environment: dict[str, str] | None = None) -> None:
        self.daemons[name] = self._inside.start(name, argv, environment)

    def _kubeconfig(self, name: str, user: str, group: str | None = None) -> Path:
        path = self._folder / "certificates" / f"{name}.kubeconfig"
        pair = self._authority.client(f"{name}-client", user, group)
        kubeconfig.write_for_certificate(path, SERVER, self._keys.authority, pair)
        return path

    def _control(self, program: str) -> str:
        return os.fspath(self._programs.control_plane / program)

    def _node(self, program: str) -> str:
        return os.fspath(self._programs.node / program)
