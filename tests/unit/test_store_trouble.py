"""F47, the file: what is damaged, foreign or newer is recognised, named and left alone; a full disk leaves no gap."""

import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from naut_hedgegrid.grid.records import Changes
from naut_hedgegrid.store import sqlite as sqlite_store
from naut_hedgegrid.store.broken import BrokenStore
from naut_hedgegrid.store.errors import StoreError, StoreProblem
from naut_hedgegrid.store.opening import opened
from naut_hedgegrid.store.samples import Resolution
from naut_hedgegrid.store.sqlite import SqliteStore
from naut_hedgegrid.store.start import open_store
from tests.unit.store_parts import INSTRUMENT, OWNER, T0, VERSION_1, entry, fill, lot, sample, script, store_at, until

FILLS = 3_000


def filled(folder: Path) -> Path:
    """A closed store with many fills, all of it in the main file."""
    store = store_at(folder)
    store.commit(Changes(fills=[fill(i) for i in range(1, FILLS)], lots={lot().key: lot()})).result(10)
    store.close()
    return folder / "grid.sqlite"


def overwrite(path: Path, at: int, length: int = 200) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"\xa5" * length)


def header_overwritten(folder: Path) -> Path:
    path = filled(folder)
    overwrite(path, 0)
    return path


def page_overwritten(folder: Path) -> Path:
    path = filled(folder)
    overwrite(path, path.stat().st_size // 2 // 4096 * 4096)
    return path


def cut_short(folder: Path) -> Path:
    path = filled(folder)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    return path


def value_overwritten(folder: Path) -> Path:
    store_at(folder).close()
    return script(folder / "grid.sqlite", "insert into entries values ('totals', '{\"realized\": 12')")


def no_sqlite(folder: Path) -> Path:
    path = folder / "grid.sqlite"
    path.write_text("dear diary\n" * 100)
    return path


def another_grids(folder: Path) -> Path:
    SqliteStore(folder / "grid.sqlite", "deadbeef", INSTRUMENT).close()
    return folder / "grid.sqlite"


def another_instruments(folder: Path) -> Path:
    SqliteStore(folder / "grid.sqlite", OWNER, "ETHUSDT-PERP.BINANCE").close()
    return folder / "grid.sqlite"


def another_programs(folder: Path) -> Path:
    return script(folder / "grid.sqlite", "create table contacts (name text); insert into contacts values ('alice')")


def looks_like_version_1(folder: Path) -> Path:
    return script(folder / "grid.sqlite", VERSION_1, "create table contacts (name text)")


def of_a_newer_schema(folder: Path) -> Path:
    path = filled(folder)
    return script(path, "pragma user_version = 99; drop table fills")


KINDS: dict[Callable[[Path], Path], tuple[StoreProblem, str]] = {
    header_overwritten: (StoreProblem.DAMAGED, "move it away"),
    page_overwritten: (StoreProblem.DAMAGED, "move it away"),
    cut_short: (StoreProblem.DAMAGED, "move it away"),
    value_overwritten: (StoreProblem.DAMAGED, "move it away"),
    no_sqlite: (StoreProblem.DAMAGED, "move it away"),
    another_grids: (StoreProblem.FOREIGN, "it belongs to hg-deadbeef- on BTCUSDT-PERP.BINANCE"),
    another_instruments: (StoreProblem.FOREIGN, "it belongs to hg-0badcafe- on ETHUSDT-PERP.BINANCE"),
    another_programs: (StoreProblem.FOREIGN, "another program's SQLite file"),
    looks_like_version_1: (StoreProblem.FOREIGN, "another program's SQLite file"),
    of_a_newer_schema: (StoreProblem.NEWER, "run the newer image again"),
}


@pytest.mark.parametrize("spoil", KINDS)
def test_f47_a_file_that_can_not_be_used_is_named_and_kept_byte_for_byte(
    spoil: Callable[[Path], Path], tmp_path: Path
) -> None:
    path = spoil(tmp_path)
    before = path.read_bytes()
    kept = open_store(path, OWNER, INSTRUMENT, lambda values: None)
    problem, words = KINDS[spoil]
    assert isinstance(kept.store, BrokenStore)
    assert kept.store.failure is not None
    assert str(path) in kept.store.failure
    assert words in kept.store.failure
    assert "the file is kept as it is" in kept.store.failure
    for future in (
        kept.store.commit(Changes(fills=[fill(1)])),
        kept.store.record_sample(sample(T0)),
        kept.store.record_audit(entry()),
        kept.store.history(Resolution.DAY, 0, 1, 1),
        kept.store.fills(None, 1),
        kept.store.audit(None, 1),
    ):
        error = future.exception(0)
        assert isinstance(error, StoreError)
        assert error.problem is problem
    with pytest.raises(StoreError, match="in use by another process"):
        open_store(path, OWNER, INSTRUMENT, lambda values: None)
    kept.store.close()
    assert path.read_bytes() == before


def test_f47_values_that_make_no_sense_count_as_damage(tmp_path: Path) -> None:
    store_at(tmp_path).close()

    def check(values: object) -> None:
        raise ValueError("a level that doesn't exist")

    kept = open_store(tmp_path / "grid.sqlite", OWNER, INSTRUMENT, check)
    assert "a level that doesn't exist" in (kept.store.failure or "")
    kept.store.close()


def test_f47_a_folder_that_can_not_be_written_is_no_end_of_the_process(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("a file where the folder should be")
    kept = open_store(tmp_path / "folder" / "grid.sqlite", OWNER, INSTRUMENT, lambda values: None)
    assert "can't be opened" in (kept.store.failure or "")
    assert "then restart" in (kept.store.failure or "")
    kept.store.close()


def test_f47_a_volume_that_hangs_at_the_start_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_at(tmp_path).close()
    release = threading.Event()

    def hanging(*arguments: object) -> object:
        release.wait(30)
        return opened(*arguments)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(sqlite_store, "opened", hanging)
    kept = open_store(tmp_path / "grid.sqlite", OWNER, INSTRUMENT, lambda values: None, patience=0.1)
    assert "can't be opened (no answer within 0.1 s)" in (kept.store.failure or "")
    assert isinstance(kept.store.commit(Changes(values={"a": 1})).exception(0), StoreError)
    with pytest.raises(StoreError, match="in use by another process"):
        store_at(tmp_path)
    kept.store.close()
    release.set()


def test_f47_a_damaged_page_that_a_write_meets_ends_all_writing(tmp_path: Path) -> None:
    path = filled(tmp_path)
    store = store_at(tmp_path)
    first_fills = 4096 * next(i for i in range(1, 40) if b"hg-0badcafe" in path.read_bytes()[i * 4096 :][:4096])
    overwrite(path, first_fills, 4096)
    store.commit(Changes(fills=[fill(FILLS)])).exception(10)
    error = store.commit(Changes(fills=[fill(FILLS + 1)])).exception(10)
    assert isinstance(error, StoreError)
    assert error.problem is StoreProblem.DAMAGED
    assert store.failure == str(error)
    assert str(path) in store.failure
    store.close()
    assert path.exists()


def test_f47_a_damaged_page_that_a_read_meets_ends_all_writing_too(tmp_path: Path) -> None:
    path = filled(tmp_path)
    store = store_at(tmp_path)
    overwrite(path, path.stat().st_size // 2 // 4096 * 4096, 8192)
    with pytest.raises(StoreError, match="damaged"):
        for page in range(1, FILLS, 500):
            store.fills(page + 500, 500).result(10)
    error = store.commit(Changes(values={"a": 1})).exception(10)
    assert isinstance(error, StoreError)
    assert error.problem is StoreProblem.DAMAGED
    store.close()


def test_f47_what_a_full_disk_refused_is_written_by_itself_once_there_is_room(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    db = store._connection
    pages = db.execute("pragma page_count").fetchone()[0]
    db.execute(f"pragma max_page_count = {pages + 2}")
    many = {f"value {i}": "x" * 1000 for i in range(50)}
    error = store.commit(Changes(values=many, lots={lot(1).key: lot(1)}), durable=True).exception(10)
    assert isinstance(error, StoreError)
    assert error.problem is StoreProblem.UNWRITABLE
    assert "full" in str(error)
    assert store.failure == str(error)
    audit = store.record_audit(entry())
    later = store.commit(Changes(values={"value 3": "newer"}, lots={lot(1).key: None, lot(2).key: lot(2)}))
    assert isinstance(audit.exception(10), StoreError)
    assert isinstance(later.exception(10), StoreError)
    db.execute("pragma max_page_count = 100000")
    until(lambda: store.failure is None)
    store.close()

    store = store_at(tmp_path)
    snapshot, values = store.load()
    assert values == {**many, "value 3": "newer"}
    assert snapshot.lots == (lot(2),)
    assert [r.entry for r in store.audit(None, 10).result(10).items] == [entry()]
    store.close()


_FILLING = """
import json, resource, sys, time
from pathlib import Path
from naut_hedgegrid.grid.records import Changes
from naut_hedgegrid.store.sqlite import SqliteStore
store = SqliteStore(Path(sys.argv[1]), "0badcafe", "BTCUSDT-PERP.BINANCE")
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
written, error = 0, None
while error is None:
    future = store.commit(Changes(values={f"v{written}": "x" * 5000}), durable=True)
    error = future.exception(10)
    written += 1
failure = store.failure
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
deadline = time.monotonic() + 20
while store.failure is not None and time.monotonic() < deadline:
    time.sleep(0.01)
store.close()
print(json.dumps({"written": written, "failure": failure, "error": str(error)}))
"""


def test_f47_writes_that_the_system_refuses_are_made_up_for(tmp_path: Path) -> None:
    """A real write(2) that fails: the file may not grow beyond 300 kB, in a process of its own."""
    path = tmp_path / "grid.sqlite"
    command = [sys.executable, "-c", _FILLING, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert str(path) in told["failure"]
    assert told["failure"] == told["error"]
    store = store_at(tmp_path)
    assert set(store.load()[1]) == {f"v{i}" for i in range(told["written"])}
    store.close()


def test_f47_a_writer_that_hangs_holds_up_nobody_and_goes_on(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    gate = threading.Event()
    store._connection.set_progress_handler(lambda: int(not gate.wait(30)), 1)
    future = store.commit(Changes(values={"a": 1}), durable=True)
    assert not future.cancel()
    assert store.fills(None, 10).result(10).items == ()
    assert not future.done()
    gate.set()
    assert future.result(10) is None
    store.close()


def test_f47_a_change_that_no_file_could_take_is_no_silent_death_of_the_writer(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    error = store.commit(Changes(values={"a": object()})).exception(10)
    assert isinstance(error, StoreError)
    assert store.failure == str(error)
    assert isinstance(store.commit(Changes(values={"b": 1})).exception(10), StoreError)
    store.close()


def test_f47_a_file_that_somebody_else_has_locked_is_written_later(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    store._connection.execute("pragma busy_timeout = 50")
    with closing(sqlite3.connect(tmp_path / "grid.sqlite", isolation_level=None)) as other:
        other.execute("begin immediate")
        assert "locked" in str(store.commit(Changes(values={"a": 1})).exception(10))
        other.execute("rollback")
    until(lambda: store.failure is None)
    store.close()
    store = store_at(tmp_path)
    assert store.load()[1] == {"a": 1}
    store.close()
