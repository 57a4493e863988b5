"""Whose grid an object is, where several installations of the operator share a cluster. Pure.

The first operator that accepts a grid writes its installation's name into an annotation, in one request with its
finalizer. From then on it is a stranger to every other installation: no document, no child, no finalizer, no release.
Its status belongs to who has accepted or refused it. Another installation says `OtherInstallation` only where nobody
else has said anything: no finalizer of ours and no verdict but this one. So two of them never write in turn.
"""

from hedgegrid_api.status import HedgeGridStatus
from hedgegrid_operator.objects import INSTALLATION_ANNOTATION

OTHER_INSTALLATION = "OtherInstallation"
"""Reason of the condition Accepted."""


def is_stranger(found: str | None, own: str) -> bool:
    """Whether an object with this annotation is another installation's; one without is everybody's."""
    return found not in {None, "", own}


def may_say_so(status: HedgeGridStatus, *, finalizer: bool) -> bool:
    """Whether the status of a stranger is nobody's yet."""
    verdicts = (found.reason for found in status.conditions if found.type == "Accepted")
    return not finalizer and all(reason == OTHER_INSTALLATION for reason in verdicts)


def told(found: str | None, own: str) -> str:
    """What a person reads at a stranger."""
    return (
        f"the object belongs to installation {found} (annotation {INSTALLATION_ANNOTATION}), and this operator is "
        f"{own}: it is left alone; to hand it over, flatten it and set the annotation to {own}"
    )
