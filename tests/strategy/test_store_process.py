"""F47 on real processes: a store that can't be opened, and an fsync that doesn't return."""

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from naut_hedgegrid.venues.sim.records import Action
from tests.strategy.ops_support import LIVELY, Process, strategy_values, wait_until

UID = "0badcafe-0000-4000-8000-000000000000"
BUSY = strategy_values(baseQty="0.020", maxInventoryQuote="20000", stepBps=3)


def document(generation: int, switch: str) -> dict[str, Any]:
    return {"uid": UID, "generation": generation, "killSwitch": switch}


def with_a_position(process: Process) -> None:
    process.ask("PUT", "/control", document(1, "none"))
    wait_until(lambda: any(p.quantity for p in process.venue().positions.values()), "a position")


def condition(process: Process) -> str | None:
    found = process.ask("GET", "/control").json["conditions"]
    return next((c["message"] for c in found if c["reason"] == "StoreFailed"), None)


def wait_flat(process: Process) -> dict[str, Any]:
    def report() -> dict[str, Any] | None:
        answer = process.ask("GET", "/control").json
        return answer if answer["killSwitch"]["state"] == "Flat" else None

    found = wait_until(report, "state Flat", 30)
    assert found is not None
    assert all(p.quantity == 0 for p in process.venue().positions.values())
    return found


def test_f47_a_process_whose_store_is_damaged_lives_on_and_takes_a_kill(tmp_path: Path) -> None:
    with Process(tmp_path, sim=LIVELY, strategy=BUSY) as process:
        process.start("--await-control").running()
        with_a_position(process)
        process.signal()
        assert process.ended() == 0
        path = process.store / "sim.sqlite"
        with path.open("r+b") as file:
            file.write(b"\xa5" * 200)
        before = path.read_bytes()
        taken = len(process.commands())

        process.start("--await-control").running()
        assert str(path) in (condition(process) or "")
        process.ask("PUT", "/control", document(2, "none"))
        wait_until(lambda: process.ask("GET", "/readyz").status == 200, "a market")
        answer = process.ask("PUT", "/control", document(3, "flattenBoth"))
        assert answer.status == 200
        leg = wait_flat(process)["killSwitch"]["legs"]["long"]
        assert str(path) in leg["lastError"]
        after = process.commands()[taken:]
        assert not [c for c in after if c.opening and c.action is Action.SUBMIT]
        process.signal()
        assert process.ended(60) == 0
        assert path.read_bytes() == before
        assert process.line("entries stop, exits stay, a kill works from memory")


_SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static void hang(int fd) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, path, sizeof path - 1);
  if (n < 0) return;
  path[n] = 0;
  if (!strstr(path, "/sim.sqlite")) return;
  while (access(getenv("HANG_WHILE"), F_OK) == 0) usleep(10000);
}
int fsync(int fd) { hang(fd); return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd); }
int fdatasync(int fd) { hang(fd); return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd); }
"""
"""The C library's two calls, which don't return for the store's files while a certain file exists."""


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler for an fsync that hangs")
def test_f47_an_fsync_that_does_not_return_delays_no_flatten(tmp_path: Path) -> None:
    source, shim, hang = tmp_path / "shim.c", tmp_path / "shim.so", tmp_path / "hang"
    source.write_text(_SHIM)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(shim), str(source), "-ldl"], check=True)
    with Process(tmp_path, sim=LIVELY, strategy=BUSY) as process:
        env = {**os.environ, "LD_PRELOAD": str(shim), "HANG_WHILE": str(hang)}
        process.start("--await-control", env=env).running()
        with_a_position(process)
        hang.touch()
        answer = process.ask("PUT", "/control", document(2, "flattenBoth")).json
        assert answer["killSwitch"]["legs"]["long"]["lastError"] == "the store has not answered for 0.5 s"
        flat = wait_flat(process)["killSwitch"]["legs"]["long"]
        assert flat.get("delivered") is None
        wait_until(lambda: "no write was answered for 5 s" in (condition(process) or ""), "the condition", 20)
        hang.unlink()
        wait_until(lambda: condition(process) is None, "the store to answer")
        leg = process.ask("GET", "/control").json["killSwitch"]["legs"]["long"]
        assert leg["delivered"] is not None
        process.signal(signal.SIGKILL)
        process.ended()
        process.start("--await-control").running()
        assert wait_flat(process)["killSwitch"]["operationID"] == answer["killSwitch"]["operationID"]
