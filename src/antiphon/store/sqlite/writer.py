"""The one thread that writes, and its group commit.

A caller hands over an operation and awaits its result. The thread takes all operations that wait, runs them in one
transaction, and tells all callers at once: a commit that reaches the disk costs the same for one and for sixty.

- An operation that was handed over is carried out, also when the task that awaits it is cancelled meanwhile.
- It may refuse by raising an AntiphonError before it has written anything; then only it fails.
- Any other exception undoes the whole group, and each operation is run again in a transaction of its own, so that a
  bad one never harms its neighbours. An operation must therefore bear being run twice.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

from antiphon.errors import AntiphonError, StoreUnavailable
from antiphon.store.sqlite.database import is_outage, log_outage
from antiphon.telemetry import log_fault

T = TypeVar("T")

Operation = Callable[[sqlite3.Connection], T]
"""What is to be done inside a transaction that the writer opens and ends."""


class Job(Generic[T]):
    """An operation and the future that awaits its outcome."""

    __slots__ = ("error", "future", "operation", "result")

    def __init__(self, operation: Operation[T], future: asyncio.Future[T]) -> None:
        self.operation = operation
        self.future = future
        self.result: T
        self.error: Exception | None = None

    def run(self, connection: sqlite3.Connection) -> None:
        """Run the operation; a refusal is an outcome, anything else breaks the transaction."""
        try:
            self.result = self.operation(connection)
        except AntiphonError as refusal:
            self.error = refusal

    def settle(self) -> None:
        """Give the outcome to the caller, on the caller's loop."""
        if self.future.cancelled():
            if self.error is not None and not isinstance(self.error, AntiphonError):
                log_fault("write_failed_unseen", self.error)
        elif self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


class Writer:
    """Owns the connection that writes. Hand over and close on one thread: the event loop's."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._waiting: SimpleQueue[Job[object] | None] = SimpleQueue()
        self._closed = False
        self._ending = False
        # A daemon, so that a program that dies without closing still ends; nobody was promised what is lost then.
        self._thread = Thread(target=self._work, name="antiphon-writer", daemon=True)
        self._thread.start()

    async def write(self, operation: Operation[T]) -> T:
        """Carry out the operation and return its result once it is on disk. Raises StoreUnavailable."""
        if self._closed:
            raise StoreUnavailable("The store is closed.")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.put(Job(operation, future))  # type: ignore[arg-type]  # a queue can't say "of any T"
        return await future

    def close(self) -> None:
        """Carry out what was handed over, then end the thread and the connection; twice is harmless."""
        if not self._closed:
            self._closed = True
            self._waiting.put(None)
            self._thread.join()
            self._connection.close()

    def _work(self) -> None:
        while not self._ending:
            jobs = self._take()
            self._carry_out(jobs)
            _announce(jobs)

    def _take(self) -> list[Job[object]]:
        """Wait for a job and return it with all that came meanwhile."""
        taken = [self._waiting.get()]
        while not self._waiting.empty():
            taken.append(self._waiting.get())
        self._ending = taken[-1] is None  # nothing is handed over after it
        return [job for job in taken if job is not None]

    def _carry_out(self, jobs: list[Job[object]]) -> None:
        """Run the jobs in one transaction; when that breaks, each in its own."""
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            self._undo()
            _fail(jobs, error)  # not tried one by one: the lock would be waited for as often
            return
        try:
            for job in jobs:
                job.run(connection)
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to a caller, never to this thread
            self._undo()
            if len(jobs) == 1:
                _fail(jobs, error)
            else:
                for job in jobs:
                    job.error = None
                    self._carry_out([job])

    def _undo(self) -> None:
        """Roll back; SQLite may have done so by itself, as on a full disk."""
        if self._connection.in_transaction:
            with suppress(sqlite3.Error):
                self._connection.rollback()


def _fail(jobs: list[Job[object]], error: Exception) -> None:
    """Let the jobs fail with what their callers can meet, each with an exception of its own."""
    outage = isinstance(error, sqlite3.Error) and is_outage(error)
    if outage:
        log_outage(error)
    for job in jobs:
        job.error = StoreUnavailable() if outage else error
        if outage:
            job.error.__cause__ = error


def _announce(jobs: list[Job[object]]) -> None:
    """Wake each loop once, whatever the number of its callers."""
    for loop in {job.future.get_loop() for job in jobs}:
        with suppress(RuntimeError):  # the loop was closed: nobody waits there any more
            loop.call_soon_threadsafe(_settle, [job for job in jobs if job.future.get_loop() is loop])


def _settle(jobs: list[Job[object]]) -> None:
    for job in jobs:
        job.settle()
