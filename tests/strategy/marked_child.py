"""A process to be killed at a step: the real runner, with marks around the functions that are its steps.

The marks are put there from outside, the product knows nothing of them. A mark has a name and the number of its
occurrence since it was armed, like `before send F#2`. Each is written to a file; at the one that it was told the
process kills itself. Forked from a server that has imported everything, which saves most of a start.
"""

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hedgegrid_api.control import ControlDocument, ControlReport
from naut_hedgegrid.domain.values import OrderEvent, OrderRequest
from naut_hedgegrid.engine.gateway import EngineGateway
from naut_hedgegrid.runners import process as runner_process
from naut_hedgegrid.runners import run_sim
from naut_hedgegrid.store.sqlite import SqliteStore
from naut_hedgegrid.strategies.hedge_grid_v1 import custody
from naut_hedgegrid.strategies.hedge_grid_v1.strategy import HedgeGridV1
from naut_hedgegrid.venues.sim.changes import Changes as BookChanges
from naut_hedgegrid.venues.sim.ledger import Ledger
from naut_hedgegrid.venues.sim.standing import Standing

__all__ = ["Life", "live"]

IMPORTED = runner_process
"""The runner imports it late; here it is imported before the fork."""
_STORED = ("orders", "lots", "fills", "funding")


@dataclass(frozen=True, slots=True)
class Life:
    """One life of the process."""

    arguments: tuple[str, ...]
    """Of the runner."""
    log: Path
    marks: Path
    """Marks that were passed, one a line."""
    armed_by: int | None = None
    """Generation of the document from whose arrival on marks count; None: from the start."""
    kill_at: str | None = None
    """Mark to die at; None: none."""


class _Marks:
    def __init__(self, life: Life) -> None:
        self._life = life
        self._armed = life.armed_by is None
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._file = os.open(life.marks, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def document(self, generation: int) -> None:
        """A document has arrived."""
        armed_by = self._life.armed_by
        self._armed |= armed_by is not None and generation >= armed_by

    def passed(self, name: str) -> None:
        """The process is at a mark."""
        if not self._armed:
            return
        with self._lock:
            self._counts[name] += 1
            mark = f"{name}#{self._counts[name]}"
            os.write(self._file, f"{mark}\n".encode())
            if mark == self._life.kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
                threading.Event().wait()

    def around(self, owner: type, name: str, label: Callable[..., str | None], *, before: bool = True) -> None:
        """Put marks before and after a method; `label` names them by its arguments, None: not a step."""
        inner = getattr(owner, name)

        def marked(*arguments: Any, **options: Any) -> Any:
            what = label(*arguments, **options)
            if what is None:
                return inner(*arguments, **options)
            if before:
                self.passed(f"before {what}")
            result = inner(*arguments, **options)
            self.passed(f"after {what}")
            return result

        setattr(owner, name, marked)

    def around_apply(self) -> None:
        """Marks at the arrival of a control document and before its answer."""
        inner = HedgeGridV1.apply

        async def marked(strategy: HedgeGridV1, document: ControlDocument) -> ControlReport:
            self.document(document.generation)
            self.passed(f"document {document.kill_switch}")
            report = await inner(strategy, document)
            self.passed(f"before answer {document.kill_switch}")
            return report

        setattr(HedgeGridV1, "apply", marked)  # noqa: B010  a plain assignment is no method to the type checker


def live(life: Life) -> None:
    """Live until killed, by a mark or by somebody else."""
    log = os.open(life.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    _mark(_Marks(life))
    # A process that waits a second for its first verdict on risk would be killed as well, only later.
    custody.SAMPLE_SECONDS = 0.05
    run_sim.sys.argv = [run_sim.PROGRAM, *life.arguments]
    os._exit(run_sim.main())


def _mark(marks: _Marks) -> None:
    marks.around(SqliteStore, "_transact", _transacted)
    marks.around(SqliteStore, "_write", _written, before=False)
    marks.around(EngineGateway, "submit", _submitted)
    marks.around(EngineGateway, "cancel", _cancelled)
    marks.around(EngineGateway, "request_state", _called("ask for state"))
    marks.around(Ledger, "commit", _committed)
    marks.around(HedgeGridV1, "on_start", _called("start"))
    marks.around(HedgeGridV1, "on_order_event", _heard)
    marks.around(HedgeGridV1, "on_venue_state", _called("hear state"))
    marks.around(HedgeGridV1, "on_funding", _called("hear funding"))
    marks.around_apply()


def _called(name: str) -> Callable[..., str]:
    return lambda *_: name


def _submitted(_: EngineGateway, order: OrderRequest) -> str:
    return f"send {_role(order.client_order_id)}"


def _cancelled(_: EngineGateway, client_order_id: str) -> str:
    return f"send cancel {_role(client_order_id)}"


def _heard(_: HedgeGridV1, event: OrderEvent) -> str:
    return f"hear {type(event).__name__} {_role(event.client_order_id)}"


def _transacted(_: SqliteStore, job: Any, **__: object) -> str | None:
    return _stored("store", job)


def _written(_: SqliteStore, __: object, job: Any) -> str | None:
    return _stored("write", job)


def _stored(verb: str, job: Any) -> str | None:
    """What a transaction of the store carries; None where it is only a sample or a risk figure."""
    changes = job.changes
    parts = [name for name in _STORED if getattr(changes, name)]
    parts += [name for name in ("ladder", "controls") if name in changes.values]
    parts += ["audit"] if job.audit else []
    return f"{verb} {'+'.join(parts)}" if parts else None


def _committed(_: Ledger, changes: BookChanges, standing: Standing) -> str | None:
    """What a commit of the venue's book carries; None where it is only the market's place."""
    parts = [f"{command.action} {_role(command.client_order_id)}" for command in changes.commands]
    parts += [f"fill {_role(fill.event.client_order_id)}" for fill in changes.fills]
    parts += ["funding"] if changes.funding else []
    return f"venue {'+'.join(parts)}" if parts else None


def _role(client_order_id: str) -> str:
    """Letter of an order's role, out of its id."""
    return client_order_id.split("-")[3][0] if client_order_id.startswith("hg-") else "foreign"
