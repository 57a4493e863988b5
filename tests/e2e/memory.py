"""A container that runs out of memory at a moment of the test's choosing."""

from tests.kube.real import RealCluster

EAT_SECONDS = 60
# Joins the container's group and fills it. The kernel ends whom the score makes the easiest to do without, which is the
# container's own program: the kubelet has raised its score. What is left then ends in the same way, or with the group.
_EAT = "echo 0 > {group}/cgroup.procs && exec tail /dev/zero"


def container_cgroup(cluster: RealCluster, container_id: str) -> str:
    """The folder on the node of a running container, by the containerID of its status, where its memory is limited."""
    name = container_id.rpartition("/")[2]
    found = cluster.run("find", "/sys/fs/cgroup", "-type", "d", "-name", f"*{name}*").stdout.decode().split()
    # Version 1 has one for each controller, version 2 one for all.
    groups = [folder for folder in found if "/memory/" in folder] or found
    if not groups:
        raise LookupError(f"no cgroup of container {container_id} on {cluster.name}")
    return min(groups, key=len)


def exhaust(cluster: RealCluster, group: str) -> None:
    """Use up the memory of a group until its limit has been hit; returns when the eater has ended, too."""
    cluster.run("sh", "-c", _EAT.format(group=group), timeout=EAT_SECONDS, check=False)
