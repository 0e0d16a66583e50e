"""The two drivers for Cassandra against a real server: `python -m benchmarks.cql_drivers`.

Each measurement is a process of its own, and the drivers take turns, so that what else the machine
does befalls all of them. `bare` is acsylla without the session that we put around it.
"""

import argparse
import asyncio
import logging
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import msgspec
import psutil
import structlog
import uvloop
from msgspec.structs import replace

from nexus_core.adapters.cassandra.connect import DriverName, open_session
from nexus_core.adapters.cassandra.driver import Ask
from nexus_core.adapters.cassandra.driver_session import DriverSession, Limits
from nexus_core.adapters.cassandra.plan import Login, Plan
from nexus_core.adapters.cassandra.session import Statement
from nexus_core.domain.errors import UnavailableError
from tools.testbed.cassandra.server import CassandraServer
from tools.testbed.description import CassandraDescription

LIMITS = Limits(in_flight=256, request_seconds=10.0, patience_seconds=30.0, tries=1)
BRISK = Limits(in_flight=256, request_seconds=2.0, patience_seconds=4.0, tries=1)
KEYSPACE = "bench"
PAYLOAD = "x" * 1024

TABLES = (
    "CREATE TABLE things (a text, b text, body text, PRIMARY KEY ((a), b))",
    "CREATE TABLE others (a text, b text, body text, PRIMARY KEY ((a), b))",
)
WRITE = Statement("INSERT INTO things (a, b, body) VALUES (?, ?, ?)", idempotent=True)
OTHER = Statement("INSERT INTO others (a, b, body) VALUES (?, ?, ?)", idempotent=True)
READ = Statement("SELECT b, body FROM things WHERE a = ? AND b = ?")
ONCE = Statement("INSERT INTO things (a, b, body) VALUES (?, ?, ?) IF NOT EXISTS")

Call = Callable[[str], Awaitable[object]]


class Measured(msgspec.Struct):
    """What a process found of one driver."""

    rate: float
    """A second."""
    cpu: float
    """Microseconds of this process a call."""
    median: float
    """Milliseconds."""
    slowest: float
    """Of a hundred, likewise."""


class Outage(msgspec.Struct):
    killed_to_error: float
    back_after: float
    """Seconds from the server's answering to ours."""
    errors: dict[str, int]
    frozen_to_error: float
    thawed_after: float
    grown: float
    """Mebibytes, over 20,000 calls that were cancelled."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3, help="of load, each time")
    parser.add_argument("--in-flight", type=int, nargs="*", default=[1, 16, 64, 256])
    parser.add_argument("--calls", nargs="*", default=["write", "read", "once", "batch"])
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    if options.measure:
        uvloop.run(_measure(*options.measure.split(",")))
        return
    with tempfile.TemporaryDirectory(prefix="nexus-bench-") as scratch:
        server = CassandraServer(Path(scratch) / "cassandra")
        try:
            plan = asyncio.run(_started(server))
            _compare(plan, options)
            for driver in DriverName:
                print(driver, uvloop.run(_outage(server, plan, driver)))
        finally:
            if server.alive:
                asyncio.run(server.kill())


async def _started(server: CassandraServer) -> Plan:
    plan = _plan(await server.start())
    options = "{'class': 'NetworkTopologyStrategy', 'replication_factor': 1}"
    async with _session(replace(plan, keyspace=""), DriverName.ACSYLLA) as session:
        await session.define(f"CREATE KEYSPACE {KEYSPACE} WITH replication = {options}")
    async with _session(plan, DriverName.ACSYLLA) as session:
        for table in TABLES:
            await session.define(table)
    return plan


def _plan(server: CassandraDescription) -> Plan:
    return Plan(
        name="Cassandra",
        hosts=(server.host,),
        port=server.port,
        login=Login(server.user, server.password),
        local_dc=server.local_dc,
        keyspace=KEYSPACE,
    )


def _session(
    plan: Plan, driver: DriverName, limits: Limits = LIMITS
) -> AbstractAsyncContextManager[DriverSession]:
    return open_session(plan, limits, driver)


def _compare(plan: Plan, options: argparse.Namespace) -> None:
    """Print a line a kind of call, a load and a driver; medians, and ratios of the rounds' own."""
    head = f"{'call':8} {'in flight':>9} {'driver':9} {'a second':>9} {'x':>6} {'CPU us':>7}"
    print(f"{head} {'x':>6} {'p50 ms':>7} {'p99 ms':>7}")
    for call in options.calls:
        for places in options.in_flight:
            contestants = ["acsylla", "datastax"]
            if call == "write":
                contestants.append("bare")
            found: dict[str, list[Measured]] = {name: [] for name in contestants}
            for _ in range(options.rounds):
                for name in contestants:
                    measured = _in_a_process(plan, name, call, places, options.seconds)
                    found[name].append(measured)
            for name in contestants:
                print(_line(call, places, name, found[name], found["acsylla"]))


def _line(call: str, places: int, name: str, mine: list[Measured], first: list[Measured]) -> str:
    def median(*values: float) -> float:
        return statistics.median(values)

    pairs = list(zip(mine, first, strict=True))
    rate, cpu = median(*(m.rate for m in mine)), median(*(m.cpu for m in mine))
    faster = median(*(m.rate / f.rate for m, f in pairs))
    dearer = median(*(m.cpu / f.cpu for m, f in pairs))
    p50, p99 = median(*(m.median for m in mine)), median(*(m.slowest for m in mine))
    return (
        f"{call:8} {places:9} {name:9} {rate:9.0f} {faster:6.2f} {cpu:7.0f}"
        f" {dearer:6.2f} {p50:7.2f} {p99:7.2f}"
    )


def _in_a_process(plan: Plan, driver: str, call: str, places: int, seconds: float) -> Measured:
    login = plan.login
    assert isinstance(login, Login)
    arguments = [
        driver,
        call,
        places,
        seconds,
        plan.port,
        login.user,
        login.password,
        plan.local_dc,
    ]
    command = [sys.executable, "-m", "benchmarks.cql_drivers", "--measure"]
    done = subprocess.run(  # noqa: S603 - ourselves
        [*command, ",".join(map(str, arguments))], check=True, stdout=subprocess.PIPE
    )
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=Measured)


async def _measure(*given: str) -> None:
    driver, call, places, seconds, port, user, password, local_dc = given
    plan = Plan(
        name="Cassandra",
        hosts=("127.0.0.1",),
        port=int(port),
        login=Login(user, password),
        local_dc=local_dc,
        keyspace=KEYSPACE,
    )
    name = DriverName.DATASTAX if driver == "datastax" else DriverName.ACSYLLA
    async with _session(plan, name) as session:
        await session.prepare([WRITE, OTHER, READ, ONCE])
        for digit in range(10):
            await session.execute(WRITE, [f"read-{digit}", "b", PAYLOAD])
        measured = await _load(
            _bare(session) if driver == "bare" else _calls(session)[call],
            int(places),
            float(seconds),
        )
    print(msgspec.json.encode(measured).decode())


def _calls(session: DriverSession) -> dict[str, Call]:
    return {
        "write": lambda key: session.execute(WRITE, [key, "b", PAYLOAD]),
        "read": lambda key: session.execute(READ, [f"read-{key[-1]}", "b"]),
        "once": lambda key: session.apply(ONCE, [key, "c", PAYLOAD]),
        "batch": lambda key: session.batch(
            [(WRITE, [key, "b", PAYLOAD]), (OTHER, [key, "b", PAYLOAD]), (OTHER, [key, "c", "x"])]
        ),
    }


def _bare(session: DriverSession) -> Call:
    driver, prepared = session._driver, session._prepared[WRITE.cql]  # noqa: SLF001 - what is bare
    return lambda key: driver.execute(prepared, [key, "b", PAYLOAD], Ask(10.0))


async def _load(call: Call, places: int, seconds: float) -> Measured:
    taken: list[float] = []
    prefix = f"{time.time_ns():x}"

    async def work(worker: int, until: float) -> None:
        number = 0
        while (begun := time.perf_counter()) < until:
            await call(f"{prefix}-{worker}-{number}")
            taken.append(time.perf_counter() - begun)
            number += 1

    # The server compiles what it runs often; that is not the drivers' doing.
    await asyncio.gather(*(work(worker, time.perf_counter() + 0.5) for worker in range(places)))
    taken.clear()
    begun, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(work(worker, begun + seconds) for worker in range(places)))
    spent, cpu = time.perf_counter() - begun, time.process_time() - cpu
    taken.sort()
    return Measured(
        rate=len(taken) / spent,
        cpu=cpu / len(taken) * 1e6,
        median=taken[len(taken) // 2] * 1e3,
        slowest=taken[int(len(taken) * 0.99)] * 1e3,
    )


async def _outage(server: CassandraServer, plan: Plan, driver: DriverName) -> Outage:
    async with _session(plan, driver, BRISK) as session:
        await session.prepare([WRITE, READ])
        errors: Counter[str] = Counter()
        done, failed = asyncio.Event(), asyncio.Event()

        async def work(worker: int) -> None:
            while not done.is_set():
                try:
                    await session.execute(WRITE, [f"w{worker}", "b", PAYLOAD])
                except UnavailableError as error:
                    errors[type(error).__name__] += 1
                    failed.set()
                    await asyncio.sleep(0.01)

        tasks = [asyncio.create_task(work(worker)) for worker in range(16)]
        await asyncio.sleep(1)
        begun = time.perf_counter()
        await server.kill()
        await failed.wait()
        killed_to_error = time.perf_counter() - begun
        await server.start(say=lambda _: None)
        back_after = await _until_it_works(session)
        done.set()
        await asyncio.gather(*tasks)
        await server.freeze()
        begun = time.perf_counter()
        frozen_to_error = await _until_it_fails(session)
        server.thaw()
        thawed_after = await _until_it_works(session)
        return Outage(
            round(killed_to_error, 3),
            round(back_after, 3),
            dict(errors),
            round(frozen_to_error, 3),
            round(thawed_after, 3),
            round(await _cancelled(session), 1),
        )


async def _until_it_works(session: DriverSession) -> float:
    begun = time.perf_counter()
    while True:
        try:
            await session.execute(READ, ["x", "b"])
        except UnavailableError:
            await asyncio.sleep(0.01)
        else:
            return time.perf_counter() - begun


async def _until_it_fails(session: DriverSession) -> float:
    begun = time.perf_counter()
    while True:
        try:
            await session.execute(READ, ["x", "b"])
        except UnavailableError:
            return time.perf_counter() - begun


async def _cancelled(session: DriverSession) -> float:
    """Return by how many mebibytes the process grows over calls that are cancelled."""
    process = psutil.Process()

    async def cancel(times: int) -> None:
        for number in range(times):
            task = asyncio.create_task(session.execute(WRITE, [f"c{number % 100}", "b", PAYLOAD]))
            await asyncio.sleep(0)
            task.cancel()
            if number % 50 == 0:
                await session.execute(READ, ["x", "b"])

    await cancel(5_000)
    before = process.memory_info().rss
    await cancel(20_000)
    return (process.memory_info().rss - before) / 2**20


if __name__ == "__main__":
    main()
