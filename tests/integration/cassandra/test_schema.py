"""`nexus-schema` on a real server."""

import asyncio
import sys
from collections.abc import AsyncIterator

import pytest

from nexus_core.adapters.cassandra.connect import DriverName, open_session
from nexus_core.adapters.cassandra.errors import UnusableError
from nexus_core.adapters.cassandra.schema.check import require_schema
from nexus_core.adapters.cassandra.schema.lock import TABLE, SchemaLock
from nexus_core.adapters.cassandra.session import CqlSession, Statement
from nexus_core.aio.clock import SystemClock
from support.cassandra import LIMITS, drop_keyspace, make_keyspace, plan_of
from tools.testbed.description import CassandraDescription

pytestmark = pytest.mark.integration

# As the Go implementation makes its tables, indexes included; one column short, where told so.
_THEIR_CHECKPOINTS = """
create table checkpoints (
    algorithm text, id text, lifecycle_stage text, payload_uri text, result_uri text,
    algorithm_failure_cause text, algorithm_failure_details text, received_by_host text,
    received_at timestamp, sent_at timestamp, applied_configuration text,
    configuration_overrides text, content_hash text, last_modified timestamp, tag text,
    api_version text, job_uid text, {parent}
    PRIMARY KEY ((algorithm, id))
)
"""
_THEIR_OTHERS = (
    """
    create table submission_buffer (
        algorithm text, id text, cluster text, template text, PRIMARY KEY ((algorithm, id))
    )
    """,
    "create index submission_tag ON checkpoints (tag)",
    "create index host ON checkpoints (received_by_host)",
    "create index lifecycle_stage ON checkpoints (lifecycle_stage)",
)


@pytest.fixture
async def keyspace(cassandra_server: CassandraDescription) -> AsyncIterator[str]:
    """An empty keyspace of the test's own."""
    name = await make_keyspace(cassandra_server)
    yield name
    await drop_keyspace(cassandra_server, name)


@pytest.fixture
async def session(
    cassandra_server: CassandraDescription, keyspace: str
) -> AsyncIterator[CqlSession]:
    plan = plan_of(cassandra_server, keyspace)
    async with open_session(plan, LIMITS, DriverName.ACSYLLA) as session:
        yield session


class Typed:
    """Runs the command in processes of their own, on one keyspace."""

    def __init__(self, server: CassandraDescription, keyspace: str) -> None:
        store = {
            "HOSTS": server.host,
            "PORT": str(server.port),
            "USER": server.user,
            "PASSWORD": server.password,
            "LOCAL_DC": server.local_dc,
            "KEYSPACE": keyspace,
        }
        self.environ = {
            "NEXUS__CQL_STORE_TYPE": "scylla",
            # A schema change has half of a busy machine to wait for.
            "NEXUS__CQL__PATIENCE": "60s",
            "NEXUS__CQL__REQUEST_TIMEOUT": "20s",
        }
        self.environ |= {f"NEXUS__SCYLLA_CQL_STORE__{name}": text for name, text in store.items()}

    def set(self, name: str, text: str) -> None:
        self.environ[f"NEXUS__SCYLLA_CQL_STORE__{name}"] = text

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "nexus_schema",
            *arguments,
            env=self.environ,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def run(self, *arguments: str) -> tuple[int, str]:
        """Return the exit code, and all that was printed."""
        return await self.ended(await self.start(*arguments))

    async def ended(self, process: asyncio.subprocess.Process) -> tuple[int, str]:
        out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, (out + err).decode()


@pytest.fixture
def typed(cassandra_server: CassandraDescription, keyspace: str) -> Typed:
    return Typed(cassandra_server, keyspace)


async def test_an_empty_keyspace_is_filled_and_then_fit(typed: Typed, session: CqlSession) -> None:
    with pytest.raises(UnusableError, match=r"0001_initial/pre is missing.*`nexus-schema apply`"):
        await require_schema(session, indexed=False)
    code, said = await typed.run("check")
    assert code == 1
    assert "problem: step 0001_initial/pre is missing" in said
    assert (await typed.run("apply"))[0] == 0
    code, said = await typed.run("check")
    assert (code, "is fit" in said) == (0, True)
    await require_schema(session, indexed=False)


async def test_applying_again_changes_nothing(typed: Typed) -> None:
    await typed.run("apply")
    code, said = await typed.run("apply")
    assert code == 0
    assert "applied 0001" not in said


async def test_of_several_at_once_each_step_is_run_by_one(typed: Typed) -> None:
    processes = [await typed.start("apply") for _ in range(4)]
    ends = await asyncio.gather(*(typed.ended(process) for process in processes))
    assert [code for code, _ in ends] == [0, 0, 0, 0], ends
    said = "".join(lines for _, lines in ends)
    assert said.count("applied 0001_initial/pre\n") == 1
    assert said.count("applied 0001_initial/pre.unindexed\n") == 1


async def test_an_applier_that_is_killed_holds_nobody_up_for_ever(
    typed: Typed, session: CqlSession
) -> None:
    await session.define(TABLE)
    held = Statement("SELECT holder FROM schema_lock WHERE name = 'apply'")
    process = await typed.start("apply")
    while not await session.execute(held):
        assert process.returncode is None
    process.kill()
    await process.communicate()
    code, said = await typed.run("apply", "--wait", "60s")
    assert code == 0, said
    assert "waiting for" in said
    await require_schema(session, indexed=False)


async def test_who_waits_too_long_is_told_for_whom(typed: Typed, session: CqlSession) -> None:
    await session.define(TABLE)
    async with SchemaLock.held(session, SystemClock(), patience=1, say=print) as lock:
        code, said = await typed.run("apply", "--wait", "1s")
    assert code == 1
    assert f"another applies the schema of keyspace '{session.keyspace}': {lock.holder}" in said


async def test_a_lock_that_is_not_renewed_is_another_s(session: CqlSession) -> None:
    await session.define(TABLE)
    async with SchemaLock.held(session, SystemClock(), patience=1, say=print) as lost:
        lost.require()
        # As if it had expired, and another had come.
        await session.apply(
            Statement("UPDATE schema_lock SET holder = ? WHERE name = ? IF EXISTS"),
            ["another", "apply"],
        )
        await lost._renew_once()
        with pytest.raises(UnusableError, match="another holds it"):
            lost.require()


async def test_the_tables_of_the_go_implementation_are_taken_as_they_are(
    typed: Typed, session: CqlSession
) -> None:
    await session.define(_THEIR_CHECKPOINTS.format(parent="parent text,"))
    for statement in _THEIR_OTHERS:
        await session.define(statement)
    typed.set("INDEXES_SUPPORTED", "true")
    code, said = await typed.run("apply")
    assert code == 0, said
    await require_schema(session, indexed=True)


async def test_a_table_of_an_older_shape_is_named(typed: Typed, session: CqlSession) -> None:
    await session.define(_THEIR_CHECKPOINTS.format(parent=""))
    code, said = await typed.run("apply")
    assert code == 1
    assert "table checkpoints lacks column parent text" in said
    with pytest.raises(UnusableError, match="table checkpoints lacks column parent"):
        await require_schema(session, indexed=False)


async def test_a_keyspace_may_change_to_indexes(typed: Typed) -> None:
    await typed.run("apply")
    typed.set("INDEXES_SUPPORTED", "true")
    assert (await typed.run("check"))[0] == 1
    code, said = await typed.run("apply")
    assert code == 0
    assert "applied 0001_initial/pre.indexed" in said
    assert (await typed.run("check"))[0] == 0


async def _note(session: CqlSession, step: str, checksum: str) -> None:
    await session.execute(
        Statement("UPDATE schema_versions SET checksum = ? WHERE target = 'nexus' AND step = ?"),
        [checksum, step],
    )


async def test_a_step_that_was_applied_in_another_form_is_named(
    typed: Typed, session: CqlSession
) -> None:
    await typed.run("apply")
    await _note(session, "0001_initial/pre", "another")
    for command in ("check", "apply"):
        code, said = await typed.run(command)
        assert code == 1
        assert "step 0001_initial/pre was applied in another form" in said


async def test_a_later_release_may_add_but_not_take_away(typed: Typed, session: CqlSession) -> None:
    await typed.run("apply")
    await _note(session, "9999_later/pre", "later")
    code, said = await typed.run("check")
    assert (code, "9999_later/pre" in said) == (0, True)
    await _note(session, "9999_later/post", "later")
    code, said = await typed.run("check")
    assert code == 1
    assert "step 9999_later/post is of a newer release" in said


async def test_a_user_without_rights_is_told_what_it_may_not(
    typed: Typed, cassandra_server: CassandraDescription
) -> None:
    typed.set("USER", cassandra_server.reader_user)
    typed.set("PASSWORD", cassandra_server.reader_password)
    code, said = await typed.run("apply")
    assert code == 1
    assert "has no CREATE permission" in said


async def test_a_keyspace_can_be_made_on_the_way(
    typed: Typed, cassandra_server: CassandraDescription
) -> None:
    typed.set("KEYSPACE", "test_made_on_the_way")
    code, said = await typed.run("check")
    assert code == 1
    assert "no keyspace 'test_made_on_the_way'" in said
    code, said = await typed.run("apply", "--create-keyspace", "--replication", "1")
    assert code == 0, said
    await drop_keyspace(cassandra_server, "test_made_on_the_way")


async def test_a_store_that_is_away_has_a_code_of_its_own(typed: Typed) -> None:
    typed.set("PORT", "9")
    code, said = await typed.run("check")
    assert code == 3
    assert said.startswith("error: Cassandra at 127.0.0.1 (port 9): can't be reached")
