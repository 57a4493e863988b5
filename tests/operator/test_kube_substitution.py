"""What the pod runner puts in place of mounts and of a network namespace, case by case."""

import pytest

from tests.kube.runner.faults import Faults, Hold
from tests.kube.runner.scheduler import decide
from tests.kube.runner.substitution import Substitution, expand

SUBSTITUTE = Substitution(
    "127.16.1.1", {"/etc/grid": "/tmp/pod/a", "/etc/grid/tls": "/tmp/pod/b", "/etc/one.yaml": "/tmp/pod/a/one"}
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/etc/grid", "/tmp/pod/a"),
        ("--config=/etc/grid/x.yaml", "--config=/tmp/pod/a/x.yaml"),
        ("/etc/grid/tls/tls.key", "/tmp/pod/b/tls.key"),
        ("sqlite:////etc/grid/store.db", "sqlite:////tmp/pod/a/store.db"),
        ("a:/etc/grid,b:/etc/grid/tls", "a:/tmp/pod/a,b:/tmp/pod/b"),
        ("/etc/one.yaml", "/tmp/pod/a/one"),
        (
            "/etc/grid-other /etc/gridlock /var/etc/grid /etc/grid.d",
            "/etc/grid-other /etc/gridlock /var/etc/grid /etc/grid.d",
        ),
        ("in /etc/grid.", "in /tmp/pod/a."),
        ("0.0.0.0:8080", "127.16.1.1:8080"),
        ("http://0.0.0.0/", "http://127.16.1.1/"),
        ("0.0.0.0/0 10.0.0.0 0.0.0.0.1 1.0.0.0.0", "0.0.0.0/0 10.0.0.0 0.0.0.0.1 1.0.0.0.0"),
    ],
)
def test_paths_and_addresses(text: str, expected: str) -> None:
    assert SUBSTITUTE(text) == expected


def test_what_is_put_in_is_not_replaced_again() -> None:
    assert Substitution("127.16.1.1", {"/a": "/b/x", "/b": "/c"})("/a /b") == "/b/x /c"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("$(A)-$(A)", "1-1"), ("$$(A)", "$(A)"), ("$(B)", "$(B)"), ("$A ${A}", "$A ${A}"), ("$$$(A)", "$1")],
)
def test_references_to_variables(text: str, expected: str) -> None:
    assert expand(text, {"A": "1"}) == expected


def test_only_what_is_ours_to_schedule_is_bound() -> None:
    node = {"metadata": {"labels": {"disk": "ssd"}}, "spec": {}}
    pod = {"metadata": {"name": "a-0", "namespace": "x"}, "spec": {"nodeSelector": {"disk": "ssd"}}}
    faults = Faults()
    assert decide(pod, node, faults).bind
    assert not decide(pod | {"spec": {"schedulerName": "another"}}, node, faults).bind
    assert not decide(pod | {"metadata": pod["metadata"] | {"deletionTimestamp": "now"}}, node, faults).bind
    assert "didn't match" in str(decide(pod | {"spec": {"nodeSelector": {"disk": "hdd"}}}, node, faults).unschedulable)
    assert "unschedulable" in str(decide(pod, node | {"spec": {"unschedulable": True}}, faults).unschedulable)
    faults.hold(Hold("x", "a-*", unschedulable=False))
    held = decide(pod, node, faults)
    assert not held.bind
    assert held.unschedulable is None
    assert decide(pod | {"metadata": {"name": "b-0", "namespace": "x"}}, node, faults).bind
