"""The operator's rights, one by one: what is seen of the product where one is missing."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from tests.kube import ApiError, wait_until
from tests.kube.installation import LEASE, NAMESPACE, SERVICE_ACCOUNT, Operator, rbac
from tests.operator.grid_parts import API, Field, Grid, Json, condition, forbid_pods
from tests.operator.monitoring_kinds import API_VERSION as MONITORING
from tests.operator.monitoring_kinds import MONITORED

_RBAC = "rbac.authorization.k8s.io/v1"
_EVENTS = "events.k8s.io/v1"
ROLES = {"grids": "hedgegrid-operator-grids", "own": "hedgegrid-operator"}
"""Names of the two roles: in each watched namespace, and in the operator's own."""
KINDS = {
    "statefulsets": ("apps/v1", "StatefulSet"),
    "configmaps": ("v1", "ConfigMap"),
    "services": ("v1", "Service"),
    "serviceaccounts": ("v1", "ServiceAccount"),
    "secrets": ("v1", "Secret"),
    "roles": (_RBAC, "Role"),
    "rolebindings": (_RBAC, "RoleBinding"),
    "poddisruptionbudgets": ("policy/v1", "PodDisruptionBudget"),
    "networkpolicies": ("networking.k8s.io/v1", "NetworkPolicy"),
    "servicemonitors": (MONITORING, "ServiceMonitor"),
    "prometheusrules": (MONITORING, "PrometheusRule"),
}
"""Children, by their resource."""
HELD_UP = 60.0


@dataclass(frozen=True)
class Right:
    """One verb of one resource in one of the roles."""

    scope: str
    group: str
    resource: str
    verb: str
    name: str | None = None
    """Where the role names its objects, one of them."""

    def __str__(self) -> str:
        return f"{self.scope}-{self.resource}-{self.verb}"


def rights() -> list[Right]:
    """Every right that the roles of a watched namespace and of the operator's own grant."""
    scopes = {name: scope for scope, name in ROLES.items()}
    return [
        Right(scopes[role["metadata"]["name"]], group, resource, verb, next(iter(rule.get("resourceNames", [])), None))
        for role in rbac(["any"])
        if role["kind"] == "Role"
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    ]


def without(rules: list[Json], right: Right) -> list[Json]:
    """The rules less one verb of one resource."""
    found: list[Json] = []
    for rule in rules:
        if right.resource not in rule["resources"] or right.verb not in rule["verbs"]:
            found.append(rule)
            continue
        others = [resource for resource in rule["resources"] if resource != right.resource]
        verbs = [verb for verb in rule["verbs"] if verb != right.verb]
        found += [{**rule, "resources": others}] if others else []
        found += [{**rule, "resources": [right.resource], "verbs": verbs}] if verbs else []
    return found


class Lab:
    """A namespace whose pods stay pending, an operator with rights in it only, and a grid."""

    def __init__(self, field: Field) -> None:
        self.field = field
        self.api = field.cluster.api
        self.operator: Operator = field.operator
        self.grid: Grid | None = None
        self.note: Any = None
        """What a story remembers between its steps."""
        field.cluster.hold_pending(field.namespace)

    @property
    def made(self) -> Grid:
        """The grid; LookupError before there is one."""
        if self.grid is None:
            raise LookupError("no grid yet")
        return self.grid

    def create(self) -> None:
        """A grid whose store needs no volume, with every child that it may have."""
        self.grid = self.field.create(storage={"ephemeral": True}, monitoring=MONITORED)

    def create_with_children(self) -> None:
        """A grid and everything that is made for it."""
        self.create()
        wait_until(lambda: self.pod_uid, HELD_UP, "a pod")
        wait_until(lambda: (self.made.get() or {}).get("status", {}).get("podUID"), HELD_UP, "the pod in the status")

    @property
    def pod_uid(self) -> str | None:
        """UID of the grid's pod."""
        return self.made.pod.uid

    def children(self, resource: str) -> list[Json]:
        """The grid's children of a resource."""
        version, kind = KINDS[resource]
        return self.made.children(api_version=version, kind=kind)

    def kick(self) -> None:
        """Have the operator look at the grid at once, whatever it was refused; one that is gone needs no look."""
        if self.grid is None:
            return
        try:
            self.grid.annotate(kick=secrets.token_hex(4))
        except ApiError as error:
            if error.status != 404:
                raise

    def restart(self, **settings: str) -> None:
        """Another operator instead of the present one, which ends in order."""
        if self.operator.process.running:
            self.operator.stop()
        self.operator = self.field.new_operator("again", **settings)
        self.operator.start()

    def refused(self, right: Right, since: int = 0) -> bool:
        """Whether the operator was told that it may not, by its metrics or its log."""
        words = f'cannot {right.verb} resource \\"{right.resource.partition("/")[0]}\\"'
        if words in self.operator.process.log()[since:]:
            return True
        series = f'verb="{right.verb}"' if right.verb != "create" else ""
        lines = (self.operator.probe("/metrics") or "").splitlines()
        return any(
            f'resource="{right.resource}"' in line
            and series in line
            and 'code="403"' in line
            and float(line.split()[-1])
            for line in lines
            if line.startswith("hedgegrid_operator_api_requests_total") and line not in self._known
        )

    def last_words(self) -> str:
        """What the operator has logged last, in a line."""
        said = [
            (event["time"][11:23], event["message"][:80], event.get("child", "")) for event in self.operator.events()
        ]
        return "; ".join(" ".join(filter(None, words)) for words in said[-15:])

    @contextmanager
    def missing(self, right: Right) -> Iterator[None]:
        """One right less; back at the end. Either takes effect before this goes on."""
        namespace = self.field.namespace if right.scope == "grids" else NAMESPACE
        role = self.api.get(_RBAC, "Role", ROLES[right.scope], namespace)
        assert role is not None
        self._known = set((self.operator.probe("/metrics") or "").splitlines())
        self._write(namespace, right, without(role["rules"], right), allowed=False)
        try:
            yield
        finally:
            self._write(namespace, right, role["rules"], allowed=True)

    def _write(self, namespace: str, right: Right, rules: list[Json], *, allowed: bool) -> None:
        self.api.patch(_RBAC, "Role", ROLES[right.scope], namespace, {"rules": rules})
        resource, _, part = right.resource.partition("/")
        about = {"namespace": namespace, "verb": right.verb, "group": right.group, "resource": resource}
        about |= ({"subresource": part} if part else {}) | ({"name": right.name} if right.name else {})
        user = f"system:serviceaccount:{NAMESPACE}:{SERVICE_ACCOUNT}"
        review = {"spec": {"user": user, "resourceAttributes": about}}
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        wait_until(
            lambda: self.api.request("POST", path, review)["status"]["allowed"] is allowed,
            HELD_UP,
            f"{right}: {allowed}",
        )


type Step = Callable[[Lab], Any]


def _nothing(_: Lab) -> None:
    return


@dataclass(frozen=True)
class Story:
    """What the product does for a person with one right, and doesn't without it."""

    act: Step
    happened: Step
    arrange: Step = _nothing
    resume: Step = Lab.kick
    """After the right is back."""
    evidence: Callable[[Lab, Right], bool] = Lab.refused


def _made(resource: str) -> Story:
    """A grid that is created gets this child."""
    return Story(act=Lab.create, happened=lambda lab: lab.children(resource))


def _put_back(resource: str) -> Story:
    """A child that somebody deletes is made again."""
    version, kind = KINDS[resource]

    def act(lab: Lab) -> None:
        for child in lab.children(resource):
            lab.api.delete(version, kind, child["metadata"]["name"], lab.field.namespace)

    return Story(arrange=Lab.create_with_children, act=act, happened=lambda lab: lab.children(resource))


def _restored(resource: str) -> Story:
    """A child that somebody changes is changed back."""
    version, kind = KINDS[resource]

    def act(lab: Lab) -> None:
        name = lab.children(resource)[0]["metadata"]["name"]
        lab.note = name
        change = {"metadata": {"labels": {"app.kubernetes.io/component": "taken"}}}
        lab.api.patch(version, kind, name, lab.field.namespace, change)

    def happened(lab: Lab) -> bool:
        found = lab.api.get(version, kind, lab.note, lab.field.namespace)
        return found is not None and found["metadata"]["labels"]["app.kubernetes.io/component"] == "strategy"

    return Story(arrange=Lab.create_with_children, act=act, happened=happened)


def _removed(resource: str) -> Story:
    """A grid that is deleted takes this child with it."""

    def act(lab: Lab) -> None:
        lab.made.annotate(release="orphan")
        lab.made.delete()

    # Of the Prometheus Operator's kinds no deletion waits: what it leaves behind is swept up.
    resume = _nothing if KINDS[resource][0] == MONITORING else Lab.kick
    return Story(
        arrange=Lab.create_with_children, act=act, happened=lambda lab: not lab.children(resource), resume=resume
    )


def _create_without_room(lab: Lab) -> None:
    """A grid whose pod is refused."""
    forbid_pods(lab.field.cluster, lab.field.namespace)
    lab.create()


def _refusal_is_told(lab: Lab) -> bool:
    status = (lab.made.get() or {}).get("status", {})
    return "exceeded quota" in condition(status, "PodReady").get("message", "")


def _ready(lab: Lab) -> bool:
    return lab.operator.probe("/readyz") == "ok"


def _until_it_says_so(lab: Lab) -> None:
    wait_until(lambda: not _ready(lab), HELD_UP, "the operator to say that it isn't ready")


_SEES = Story(act=_until_it_says_so, happened=_ready)
"""The operator says that it isn't ready, instead of going on with an old picture."""


def _blind(lab: Lab) -> None:
    """Nothing but the watches tells this operator what changes."""
    lab.restart(HEDGEGRID_OPERATOR_RESYNC_INTERVAL="3600", HEDGEGRID_OPERATOR_CHILDREN_INTERVAL="0.5")
    lab.operator.wait_leading()
    wait_until(lambda: _rounds(lab) > 0, HELD_UP, "it to have looked at the grid")


def _rounds(lab: Lab) -> float:
    lines = (lab.operator.probe("/metrics") or "").splitlines()
    wanted = 'hedgegrid_operator_reconcile_seconds_count{result="done"}'
    return sum(float(line.split()[-1]) for line in lines if line.startswith(wanted))


def _watches_failed(lab: Lab, _: Right) -> bool:
    return "the watches" in lab.operator.process.log()


def _watched(act: Step, happened: Step, resume: Step) -> Story:
    """What vanishes is seen without a LIST."""

    def blinded(lab: Lab) -> None:
        _blind(lab)
        act(lab)

    return Story(
        arrange=Lab.create_with_children, act=blinded, happened=happened, evidence=_watches_failed, resume=resume
    )


def _delete_stateful_set(lab: Lab) -> None:
    """Its pod stays: nobody collects it."""
    lab.note = lab.children("statefulsets")[0]["metadata"]["uid"]
    lab.field.cluster.controllers.freeze()
    lab.api.delete("apps/v1", "StatefulSet", lab.made.child, lab.field.namespace, "Background")
    wait_until(lambda: lab.note not in _uids(lab), HELD_UP, "the StatefulSet to go")


def _uids(lab: Lab) -> set[str]:
    return {found["metadata"]["uid"] for found in lab.children("statefulsets")}


def _another_stateful_set(lab: Lab) -> bool:
    return bool(_uids(lab) - {lab.note})


def _delete_pod(lab: Lab) -> None:
    old = lab.pod_uid
    lab.api.delete("v1", "Pod", f"{lab.made.child}-0", lab.field.namespace, grace=0)
    wait_until(lambda: lab.pod_uid not in {None, old}, HELD_UP, "another pod")


def _take_pod_away(lab: Lab) -> None:
    """And nobody makes another one."""
    lab.field.cluster.controllers.freeze()
    lab.api.delete("v1", "Pod", f"{lab.made.child}-0", lab.field.namespace, grace=0)


def _give_pod_back_and_take_it_again(lab: Lab) -> None:
    lab.field.cluster.controllers.thaw()
    wait_until(lambda: lab.pod_uid and _shown_pod(lab) == lab.pod_uid, HELD_UP, "another pod in the status")
    _take_pod_away(lab)


def _shown_pod(lab: Lab) -> str | None:
    return (lab.made.get() or {})["status"].get("podUID")


def _take_object_away(lab: Lab) -> None:
    lab.api.patch(API, "HedgeGrid", lab.made.name, lab.field.namespace, {"metadata": {"finalizers": None}})
    lab.made.delete()
    lab.made.gone()


def _once_more(act: Step) -> Step:
    """What was missed while nothing was watched stays missed: another grid, and the same again."""

    def resume(lab: Lab) -> None:
        lab.field.cluster.controllers.thaw()
        lab.create_with_children()
        act(lab)

    return resume


def _change_template(lab: Lab) -> None:
    lab.note = lab.pod_uid
    lab.made.patch(update={"strategy": "Immediate"}, pod={"env": [{"name": "COLOUR", "value": secrets.token_hex(4)}]})


def _leave_behind(lab: Lab) -> None:
    """What a grid that is long gone has left: found by its labels."""
    labels = {
        "hedgegrid.io/uid": secrets.token_hex(8),
        "app.kubernetes.io/name": "hedgegrid",
        "app.kubernetes.io/instance": "lost",
        "app.kubernetes.io/component": "strategy",
        "app.kubernetes.io/managed-by": "hedgegrid-operator",
    }
    about = {"name": "hedgegrid-lost", "namespace": lab.field.namespace, "labels": labels}
    lab.api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": about})


def _swept(lab: Lab) -> bool:
    return lab.api.get("v1", "ServiceAccount", "hedgegrid-lost", lab.field.namespace) is None


def _drop_lease(lab: Lab) -> None:
    lab.api.delete("coordination.k8s.io/v1", "Lease", LEASE, NAMESPACE)


def _start_again(lab: Lab) -> None:
    lab.restart()


def _start_without(secret: str) -> Step:
    def act(lab: Lab) -> None:
        if lab.operator.process.running:
            lab.operator.stop()
        lab.api.delete("v1", "Secret", secret, NAMESPACE)
        lab.restart()

    return act


def _ended(lab: Lab, right: Right) -> bool:
    return not lab.operator.process.running or lab.refused(right)


def _leads(lab: Lab) -> bool:
    return lab.operator.process.running and lab.operator.leading


def _damage_authority(lab: Lab) -> None:
    lab.api.patch("v1", "Secret", "hedgegrid-operator-ca", NAMESPACE, {"data": {"tls.crt": "", "tls.key": ""}})


def _authority_is_whole(lab: Lab) -> bool:
    found = lab.api.get("v1", "Secret", "hedgegrid-operator-ca", NAMESPACE)
    return found is not None and bool(found["data"]["tls.key"])


def _two_namespaces(lab: Lab) -> None:
    """An operator that watches a second namespace, and a grid there with everything made."""
    doomed = f"doomed-{secrets.token_hex(4)}"
    lab.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": doomed}})
    lab.field.cluster.hold_pending(doomed)
    for found in rbac([doomed]):
        if found["metadata"]["namespace"] == doomed:
            lab.api.create(found)
    lab.restart(HEDGEGRID_OPERATOR_WATCH_NAMESPACES=f"{lab.field.namespace},{doomed}")
    manifest = lab.field.manifest("doomed", storage={"ephemeral": True})
    manifest["metadata"]["namespace"] = doomed
    made = lab.api.create(manifest)
    lab.grid = Grid(lab.field.cluster, doomed, "doomed", made["metadata"]["uid"])
    wait_until(lambda: lab.pod_uid, HELD_UP, "a pod")
    wait_until(lambda: (lab.made.get() or {}).get("status", {}).get("podUID"), HELD_UP, "the pod in the status")


def _end_namespace(lab: Lab) -> None:
    """The roles in it go as well, before anything can be said there: so they are kept."""
    for kind in ("Role", "RoleBinding"):
        lab.api.patch(
            _RBAC, kind, ROLES["grids"], lab.made.namespace, {"metadata": {"finalizers": ["example.com/kept"]}}
        )
    lab.api.delete("v1", "Namespace", lab.made.namespace)


def _told_beside_the_operator(lab: Lab) -> bool:
    events = lab.api.list(_EVENTS, "Event", NAMESPACE)
    return any(lab.made.namespace in event["note"] for event in events)


def let_go(lab: Lab) -> None:
    """Take back what a story has left: controllers that stand still, a namespace that has ended."""
    lab.field.cluster.controllers.thaw()
    if lab.grid is None or lab.grid.namespace == lab.field.namespace:
        return
    for version, kind, name in (
        (_RBAC, "Role", ROLES["grids"]),
        (_RBAC, "RoleBinding", ROLES["grids"]),
        (API, "HedgeGrid", lab.grid.name),
    ):
        with suppress(ApiError):
            lab.api.patch(version, kind, name, lab.grid.namespace, {"metadata": {"finalizers": None}})
    lab.field.cluster.heal_namespace(lab.grid.namespace)
    lab.field.cluster.release(lab.grid.namespace)


_LISTED = (
    "configmaps",
    "services",
    "serviceaccounts",
    "roles",
    "rolebindings",
    "poddisruptionbudgets",
    "networkpolicies",
    "servicemonitors",
    "prometheusrules",
)
"""Children that no watch follows."""
_BY_SPEC = frozenset({"configmaps", "poddisruptionbudgets", "servicemonitors", "prometheusrules"})
"""Of these only the spec counts: their status changes all the time, or their content never."""


def _of_children(verb: str, resource: str) -> Story:
    match verb:
        case "create" | "patch":
            return _made(resource)
        case "get" | "delete":
            # Whose a child is, is looked at before it goes.
            return _removed(resource)
        case _:
            return _put_back(resource) if resource in _BY_SPEC else _restored(resource)


STORIES: dict[tuple[str, str, str], Story] = {
    **{
        ("grids", resource, verb): _of_children(verb, resource)
        for resource in _LISTED
        for verb in ("get", "list", "create", "patch", "delete")
    },
    **{
        ("grids", resource, verb): _of_children(verb, resource)
        for resource in ("statefulsets", "secrets")
        for verb in ("get", "create", "patch", "delete")
    },
    ("grids", "statefulsets", "list"): _SEES,
    ("grids", "statefulsets", "watch"): _watched(
        _delete_stateful_set, _another_stateful_set, _once_more(_delete_stateful_set)
    ),
    ("grids", "pods", "list"): _SEES,
    ("grids", "pods", "watch"): _watched(
        _take_pod_away, lambda lab: _shown_pod(lab) is None, _give_pod_back_and_take_it_again
    ),
    ("grids", "pods", "delete"): Story(
        arrange=Lab.create_with_children,
        act=_change_template,
        happened=lambda lab: lab.pod_uid not in {None, lab.note},
    ),
    ("grids", "hedgegrids", "get"): Story(act=_leave_behind, happened=_swept),
    ("grids", "hedgegrids", "list"): _SEES,
    ("grids", "hedgegrids", "watch"): _watched(
        _take_object_away, lambda lab: not lab.children("statefulsets"), _once_more(_take_object_away)
    ),
    ("grids", "hedgegrids", "patch"): _made("statefulsets"),
    ("grids", "hedgegrids/status", "patch"): Story(
        act=Lab.create, happened=lambda lab: (lab.made.get() or {}).get("status")
    ),
    ("grids", "events", "create"): Story(
        act=Lab.create,
        happened=lambda lab: lab.made.events("PodCreated"),
        resume=_delete_pod,
    ),
    ("grids", "events", "list"): Story(act=_create_without_room, happened=_refusal_is_told),
    ("own", "leases", "get"): Story(act=_start_again, happened=_leads, resume=_nothing),
    ("own", "leases", "patch"): _SEES,
    ("own", "leases", "create"): Story(act=_drop_lease, happened=lambda lab: lab.operator.holder),
    ("own", "secrets", "get"): Story(act=_start_again, happened=_leads, resume=_start_again, evidence=_ended),
    ("own", "secrets", "create"): Story(
        act=_start_without("hedgegrid-operator-keys"), happened=_leads, resume=_start_again, evidence=_ended
    ),
    ("own", "secrets", "patch"): Story(act=_damage_authority, happened=_authority_is_whole),
    ("own", "events", "create"): Story(
        arrange=_two_namespaces,
        act=_end_namespace,
        happened=_told_beside_the_operator,
        resume=lambda lab: lab.made.annotate(release="orphan"),
    ),
}
"""By role, resource and verb."""
