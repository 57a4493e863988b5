"""Settings of the NetworkPolicies, read: a text that the API server would refuse is refused at the start, since no pod
comes up without its policy. Pure. Every function raises `ValueError`, which names what is wrong and what is allowed.
"""

import ipaddress
import re

_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LABEL = re.compile(
    r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?="
    r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?"
)


def listed(text: str) -> tuple[str, ...]:
    """The parts of a text with commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def namespace_names(text: str) -> tuple[str, ...]:
    """Names of namespaces."""
    for name in listed(text):
        if not _NAMESPACE.fullmatch(name):
            raise ValueError(f"{name!r} can't be a namespace: write names of namespaces, like monitoring,tools")
    return listed(text)


def pod_labels(text: str) -> dict[str, str]:
    """Labels with their values."""
    for label in listed(text):
        if not _LABEL.fullmatch(label):
            raise ValueError(
                f"{label!r} isn't a label: write key=value, like app.kubernetes.io/name=hedgegrid-operator"
            )
    return dict(label.split("=", 1) for label in listed(text))


def networks(text: str) -> tuple[str, ...]:
    """Networks in CIDR notation."""
    try:
        return tuple(str(ipaddress.ip_network(part)) for part in listed(text))
    except ValueError as error:
        raise ValueError(f"{error}; write networks like 10.0.0.0/8 or fd00::/64") from error


def ports(text: str) -> tuple[int, ...]:
    """Ports, at least one."""
    found = listed(text)
    for port in found:
        if not port.isdecimal() or not 1 <= int(port) <= 65535:
            raise ValueError(f"{port!r} isn't a port: write numbers from 1 to 65535, like 443,6443")
    if not found:
        raise ValueError("at least one port is needed, or pods can't watch their own object; write some like 443,6443")
    return tuple(int(port) for port in found)
