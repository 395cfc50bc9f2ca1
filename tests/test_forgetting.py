"""Conversations that are taken out of a destination, and do not come back."""

import shutil
from datetime import timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from clocks import StillClock
from databases import Place
from everycall import OutputRefused, SettingsError
from everycall.executor import SerialExecutor
from everycall.forgetting import Removal, forget
from everycall.instants import DAY
from everycall.setup import Environment
from everycall.sinks.database_schema import REPLACED
from everycall.syncing import Policy
from everycall.tables.relational import OF_CONVERSATIONS
from everycall.verification import manifest_or_none, repair, verify
from inprocess import Org, org
from syncs import SINCE, StopsAt, night

NOW = SINCE + timedelta(days=3, hours=3)
KINDS = ("calls.parquet", "calls.delta", "calls.duckdb", "csv:calls/")
TABLES = tuple(table.name for table in OF_CONVERSATIONS)


def at(folder: Path, kind: str) -> str:
    """The output of that kind in the folder, as `-o` takes it."""
    return f"csv:{folder / kind[4:]}/" if kind.startswith("csv:") else str(folder / kind)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder with three days, for each kind of output."""
    where, folders = org(StillClock(NOW), conversations_per_day=25), {}
    for kind in KINDS:
        folders[kind] = tmp_path_factory.mktemp("made")
        night(where, at(folders[kind], kind))
    return folders


@pytest.fixture(params=KINDS)
def output(request: pytest.FixtureRequest, made: dict[str, Path], tmp_path: Path) -> str:
    """A destination of its own, with three days in it."""
    shutil.copytree(made[request.param], tmp_path, dirs_exist_ok=True)
    return at(tmp_path, request.param)


@pytest.fixture
def parquet(made: dict[str, Path], tmp_path: Path) -> str:
    shutil.copytree(made["calls.parquet"], tmp_path, dirs_exist_ok=True)
    return at(tmp_path, "calls.parquet")


def counts(output: str) -> dict[str, dict[str, int]]:
    """The number of rows of each conversation, by table."""
    is_database = output.endswith(".duckdb")
    with duckdb.connect(output if is_database else ":memory:", read_only=is_database) as found:
        counted = {}
        for table in TABLES:
            rows = source(output, table)
            if isinstance(rows, pa.Table):
                found.register("rows", rows)
                rows = "rows"
            sql = f"SELECT conversationId, count(*) FROM {rows} GROUP BY 1"
            counted[table] = dict(found.execute(sql).fetchall())
        return counted


def source(output: str, table: str) -> str | pa.Table:
    if output.endswith(".duckdb"):
        return table
    if output.endswith(".delta"):
        return DeltaTable(f"{output}/{table}").to_pyarrow_table()
    if output.endswith(".parquet"):
        return f"read_parquet('{output}/{table}/*.parquet')"
    return f"read_csv('{output.removeprefix('csv:')}{table}.csv', all_varchar = true, header = true)"


def some_ids(output: str, number: int = 3) -> list[str]:
    """The ids of the conversations with the most segments: they have many children."""
    found = counts(output)["segments"]
    return sorted(found, key=lambda one: -found[one])[:number]


def without(before: dict[str, dict[str, int]], ids: set[str]) -> dict[str, dict[str, int]]:
    return {table: {one: rows for one, rows in found.items() if one not in ids} for table, found in before.items()}


def states(where: Org, output: str) -> set[str]:
    return {finding.state for finding in verify(where.client, place_of(output)).findings}


def place_of(output: str) -> str | Path:
    """As `verify` takes it."""
    return output if "://" in output else Path(output.removeprefix("csv:"))


def centre() -> Org:
    """The org of which the destinations were made."""
    return org(StillClock(NOW), conversations_per_day=25)


# What is taken out


def test_conversations_go_with_all_their_children_and_nothing_else_goes(output: str) -> None:
    before, ids = counts(output), some_ids(output)
    done = forget(output, ids)

    assert done.is_done
    assert done.conversations == 3
    assert counts(output) == without(before, set(ids))


def test_afterwards_the_destination_holds(output: str) -> None:
    where = centre()
    forget(output, some_ids(output))
    manifest = manifest_or_none(output if "csv:" not in output else str(place_of(output)))

    assert states(where, output) == {"holds"}
    assert manifest is not None
    assert sum(len(entry.forgotten) for entry in manifest.windows) == 3


@pytest.mark.parametrize("kind", ["calls.parquet", "calls.duckdb"])
def test_no_night_brings_them_back(made: dict[str, Path], tmp_path: Path, kind: str) -> None:
    """All windows are read again."""
    shutil.copytree(made[kind], tmp_path, dirs_exist_ok=True)
    where, output = centre(), at(tmp_path, kind)
    ids = some_ids(output)
    forget(output, ids)
    where.clock.advance(DAY.total_seconds())
    done = night(where, output, policy=Policy(look_back=timedelta(days=30)))
    after = counts(output)

    assert done.summary.verdict == "proven"
    assert done.kept == 0
    assert len(after["conversations"]) > 75
    assert not any(set(ids) & set(found) for found in after.values())
    assert states(where, output) == {"holds"}


def test_no_repair_brings_them_back(parquet: str) -> None:
    where, ids = centre(), some_ids(parquet)
    forget(parquet, ids)
    before = counts(parquet)
    for path in Path(parquet).glob("sessions/*.parquet"):
        path.unlink()
    repair(where.client, verify(where.client, Path(parquet)), environment=Environment(executor=SerialExecutor()))

    assert counts(parquet) == before


def test_what_is_older_goes_as_whole_days_and_these_are_never_read_again(output: str) -> None:
    where, before = centre(), counts(output)
    done = forget(output, older_than=timedelta(days=2), now=NOW)
    after = counts(output)
    where.clock.advance(DAY.total_seconds())
    again = night(where, output, policy=Policy(look_back=timedelta(days=30)))

    assert done.windows == 1
    assert done.before == SINCE + DAY
    assert 0 < len(before["conversations"]) - len(after["conversations"]) == done.conversations
    assert again.kept == 1
    assert set(before["conversations"]) - set(after["conversations"]) == set(before["conversations"]) - set(
        counts(output)["conversations"]
    )
    assert states(where, output) == {"holds", "forgotten"}


def test_the_table_of_windows_says_how_many_were_taken_out(parquet: str) -> None:
    total = len(counts(parquet)["conversations"])
    forget(parquet, some_ids(parquet))
    rows = duckdb.execute(f"SELECT sum(forgotten), sum(owned) FROM '{parquet}/windows/windows.parquet'").fetchall()

    assert rows == [(3, total)]


def test_from_postgresql_too(postgres: str) -> None:
    where, place = centre(), Place("postgresql", postgres)
    night(where, postgres)
    ids = sorted(row[0] for row in place.query('SELECT "conversationId" FROM conversations LIMIT 3'))
    forget(postgres, ids)
    where.clock.advance(DAY.total_seconds())
    night(where, postgres)
    among = ", ".join(f"'{one}'" for one in ids)

    assert {
        place.query(f'SELECT count(*) FROM {table} WHERE "conversationId" IN ({among})')[0][0] for table in REPLACED
    } == {0}
    assert place.query("SELECT sum(forgotten)::int FROM windows") == [(3,)]
    assert states(where, postgres) == {"holds"}


def test_old_versions_of_a_delta_table_have_them_until_vacuum(made: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(made["calls.delta"], tmp_path, dirs_exist_ok=True)
    output = at(tmp_path, "calls.delta")
    ids, version = some_ids(output), DeltaTable(f"{output}/conversations").version()
    forget(output, ids)
    table = DeltaTable(f"{output}/conversations", version=version).to_pyarrow_table()
    old = set(table["conversationId"].to_pylist())
    forget(output, vacuum=True)

    assert set(ids) <= old
    with pytest.raises(Exception, match=r"(?i)not found|no such"):
        DeltaTable(f"{output}/conversations", version=version).to_pyarrow_table()
    assert not set(ids) & set(counts(output)["conversations"])


# What is not done


def test_nothing_changes_before_it_is_confirmed(output: str) -> None:
    before, asked = counts(output), []

    def refuse(removal: Removal) -> bool:
        asked.append(removal)
        return False

    done = forget(output, some_ids(output), confirm=refuse)

    assert not done.is_done
    assert [one.conversations for one in asked] == [3]
    assert counts(output) == before


def test_unknown_ids_are_named_and_forgotten_ones_are_not_unknown(parquet: str) -> None:
    ids = some_ids(parquet)
    forget(parquet, ids)
    done = forget(parquet, [*ids, "11111111-2222-4333-8444-555555555555"])

    assert done.unknown == ("11111111-2222-4333-8444-555555555555",)
    assert done.is_empty


def test_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputRefused, match="cannot be replaced"):
        forget(tmp_path / "calls.csv", ["a"])


def test_vacuum_is_for_delta_tables(parquet: str) -> None:
    with pytest.raises(SettingsError, match="only Delta tables"):
        forget(parquet, ["a"], vacuum=True)


def test_an_unfinished_run_has_to_be_finished_first(parquet: str) -> None:
    folder = Path(f"{parquet}.everycall")
    folder.mkdir()
    (folder / "ledger.jsonl").write_text("{}\n")

    with pytest.raises(OutputRefused, match="unfinished run"):
        forget(parquet, some_ids(parquet))


@pytest.mark.parametrize("number", [1, 2, 5, 9])
def test_an_interrupted_one_is_finished_by_the_same_again(parquet: str, number: int) -> None:
    before, ids = counts(parquet), some_ids(parquet)
    with pytest.raises(KeyboardInterrupt):
        forget(parquet, ids, older_than=timedelta(days=2), now=NOW, filesystem=StopsAt(number))
    forget(parquet, ids, older_than=timedelta(days=2), now=NOW)
    old = {one for one in before["conversations"] if one not in counts(parquet)["conversations"]}

    assert set(ids) < old
    assert counts(parquet) == without(before, old)
    assert states(centre(), parquet) == {"holds", "forgotten"}
    assert not Path(f"{parquet}.everycall").exists()
