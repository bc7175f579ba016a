# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Polls Vidu for every trigger of an account in a triggerer: one connection look-up, one session, one poller.

``airflow_provider_vidu.waiting.poll_rounds`` decides which tasks to poll when,
``airflow_provider_vidu.waiting.bulk_query`` how; this module connects both to the clock and the triggers. A waiting
trigger costs a future and no coroutine of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from contextvars import Context
from importlib import import_module
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from airflow_provider_vidu.api.errors import (
    ViduAuthError,
    ViduConfigurationError,
    ViduError,
    ViduUnavailableError,
    is_outage,
)
from airflow_provider_vidu.api.http_messages import MAX_PAGE_SIZE
from airflow_provider_vidu.transport import timing
from airflow_provider_vidu.waiting.bulk_query import BulkQuery
from airflow_provider_vidu.waiting.next_poll import Hints, Verdict
from airflow_provider_vidu.waiting.poll_rounds import Entry, PollPlan
from airflow_provider_vidu.waiting.subscribers import GroupOutcome, GroupSubscriber, Outcome, Subscriber

if TYPE_CHECKING:
    from airflow_provider_vidu.api.account import Account
    from airflow_provider_vidu.api.tasks import ViduTask
    from airflow_provider_vidu.client import AsyncViduClient

#: Waits that are notified before the event loop gets its turn: a thousand log lines at once would block it.
MAX_NOTIFIED_AT_ONCE = 20


class Watcher:
    """
    One account's waits on one event loop. Its poller starts with the first wait and stops with :meth:`close`.

    :param look_up: reads the connection; called once, and again after a 401.
    """

    def __init__(
        self,
        look_up: Callable[[], Awaitable[Account]],
    ) -> None:
        self._look_up = look_up
        self._client: AsyncViduClient | None = None
        self._opening = asyncio.Lock()
        self._bulk: BulkQuery | None = None
        self._plan = PollPlan(self._is_listed, self._page_size)
        self._groups: set[GroupSubscriber] = set()
        self._poll_interval: float | None = None
        self._poller: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._sooner = asyncio.Event()
        self._wakes_at = float("-inf")
        self._failure: BaseException | None = None
        self._is_closing = False
        self.waiters = 0

    async def wait(
        self,
        task_id: str,
        *,
        hints: Hints,
        end_time: float,
        poll_interval: float | None = None,
        log: Any,
    ) -> Outcome:
        """
        Wait until a remote task has finished, or the deadline has passed.

        :param end_time: the deadline, epoch seconds.
        :param poll_interval: seconds; None = the account's, or else the schedule decides.
        :param log: receives the progress lines.
        :return: how it ended: success, failure, the deadline, or an error that waiting does not fix.
        :raises Exception: the error that stopped the poller.
        """
        await self._start_poller()
        subscriber = Subscriber(log, hints, timing.now())
        await self._subscribe(subscriber, [task_id], hints, end_time, poll_interval)
        try:
            return await subscriber.future
        finally:
            self._unsubscribe(subscriber)

    async def wait_for_all(
        self,
        task_ids: Sequence[str],
        *,
        hints: Hints,
        end_time: float,
        poll_interval: float | None = None,
        log: Any,
    ) -> GroupOutcome:
        """
        Wait until each of many remote tasks has finished; one log line about once a minute reports on all.

        :param hints: those of each task.
        :param end_time: the deadline, epoch seconds.
        :param poll_interval: see :meth:`wait`.
        :param log: receives the progress lines.
        :return: how many ended in which way.
        :raises Exception: see :meth:`wait`.
        """
        await self._start_poller()
        distinct = list(dict.fromkeys(task_ids))
        group = GroupSubscriber(log, hints, timing.now(), len(distinct))
        self._groups.add(group)
        try:
            await self._subscribe(group, distinct, hints, end_time, poll_interval)
            return await group.future
        finally:
            self._groups.discard(group)
            self._unsubscribe(group)

    async def get_task(self, task_id: str) -> ViduTask:
        """Query one task, with freshly signed links, over the watcher's session."""
        return await (await self._open_client()).get_task(task_id)

    async def task_page(self, task_id: str) -> str | None:
        """Return the URL of the page that shows a task; None = no page is known."""
        return (await self._open_client()).account.task_page(task_id)

    async def close(self) -> None:
        """Stop the poller and close the session."""
        poller, self._poller = self._poller, None
        # Python before 3.12 may swallow a cancellation in wait_for if a reply has just come.
        self._is_closing = True
        if poller is not None:
            poller.cancel()
            # The poller closes its session even if this coroutine is cancelled.
            await asyncio.wait({poller})

    # -- subscribers ------------------------------------------------------------------------------------------

    async def _start_poller(self) -> None:
        if self._poller is None:
            # In no trigger's context: the poller logs and looks up for all of them, not only for the first.
            loop = asyncio.get_running_loop()
            self._poller = Context().run(loop.create_task, self._run())
        await self._ready.wait()

    async def _subscribe(
        self,
        subscriber: Subscriber | GroupSubscriber,
        task_ids: list[str],
        hints: Hints,
        end_time: float,
        poll_interval: float | None,
    ) -> None:
        if poll_interval is None:
            poll_interval = self._poll_interval
        for number, task_id in enumerate(task_ids, 1):
            if self._failure is not None:
                break
            now = timing.now()
            entry = self._plan.add(task_id, hints, end_time, poll_interval, now, subscriber)
            subscriber.attach(entry)
            if number % 500 == 0:
                try:
                    await asyncio.sleep(0)
                except asyncio.CancelledError:
                    self._unsubscribe(subscriber)
                    raise
        if self._failure is not None:
            subscriber.fail(self._failure)
        if min(self._plan.wake_at(), subscriber.log_at) < self._wakes_at:
            self._sooner.set()

    def _unsubscribe(self, subscriber: Subscriber | GroupSubscriber) -> None:
        for entry in subscriber.entries:
            subscriber.detach(entry)
            self._plan.remove(entry)

    # -- the poller -------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            try:
                with suppress(ViduError):
                    await self._open_client()
            finally:
                self._ready.set()
            while not self._is_closing:
                await self._sleep_until_due()
                await self._poll_once()
        except asyncio.CancelledError as error:
            self._fail_all(ViduUnavailableError("The triggerer cancelled the wait."), error)
            raise
        except BaseException as error:
            # Not only an Exception: in a worker Airflow's execution timeout may be raised anywhere in the loop.
            self._fail_all(error, error)
        finally:
            await self._drop_client()

    def _fail_all(self, failure: BaseException, cause: BaseException) -> None:
        self._failure = failure
        failure.__cause__ = cause if cause is not failure else failure.__cause__
        for entry in self._plan.all():
            subscriber = entry.subscriber
            self._plan.remove(entry)
            if subscriber is not None:
                subscriber.fail(failure)

    async def _sleep_until_due(self) -> None:
        self._sooner.clear()
        self._wakes_at = min([self._plan.wake_at(), *(group.log_at for group in self._groups)])
        seconds = self._wakes_at - timing.now()
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        sooner = asyncio.ensure_future(self._sooner.wait())
        sleeping = asyncio.ensure_future(timing.asleep(seconds)) if seconds != float("inf") else None
        try:
            await asyncio.wait({sooner, sleeping} if sleeping else {sooner}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sooner.cancel()
            if sleeping is not None:
                sleeping.cancel()
            self._wakes_at = float("-inf")

    async def _poll_once(self) -> None:
        task_ids = self._plan.take(timing.now())
        results: dict[str, ViduTask | ViduError] = {}
        if task_ids:
            results = await self._query(task_ids)
            self._plan.on_results(results, timing.now())
        notified = 0
        for verdicts in (self._plan.verdicts(results, timing.now()), self._plan.expire(timing.now())):
            for entry, result, verdict in verdicts:
                self._notify(entry, result, verdict)
                notified += 1
                if notified % MAX_NOTIFIED_AT_ONCE == 0:
                    await asyncio.sleep(0)
        for group in tuple(self._groups):
            with _fail_alone(group):
                group.log_progress(timing.now())

    def _notify(self, entry: Entry, result: ViduTask | ViduError, verdict: Verdict) -> None:
        subscriber = entry.subscriber
        if subscriber is None:
            return
        with _fail_alone(subscriber):
            subscriber.on_result(entry, result, verdict, timing.now())
        if verdict is not Verdict.WAIT:
            subscriber.detach(entry)
            entry.subscriber = None

    async def _query(self, task_ids: list[str]) -> dict[str, ViduTask | ViduError]:
        try:
            client = await self._open_client()
        except ViduError as error:
            return dict.fromkeys(task_ids, error)
        results = await BulkQuery(client, paced=True).get_tasks(task_ids)
        refused = any(isinstance(result, ViduAuthError) for result in results.values())
        if refused and all(is_outage(result) for result in results.values()):
            # The key may have been rotated in the connection since this triggerer read it.
            await self._drop_client()
        return results

    def _is_listed(self, task_id: str) -> bool:
        return self._bulk is None or self._bulk.is_listed(task_id)

    def _page_size(self) -> int:
        return MAX_PAGE_SIZE if self._bulk is None else self._bulk.page_size

    # -- the session ------------------------------------------------------------------------------------------

    async def _open_client(self) -> AsyncViduClient:
        async with self._opening:
            if self._client is None:
                # The import takes half a second, which would block the triggerer's loop.
                await asyncio.to_thread(import_module, "aiohttp")
                from airflow_provider_vidu.client import AsyncViduClient

                self._client = AsyncViduClient(await self._read_account())
                self._poll_interval = self._client.account.poll_interval
                self._bulk = BulkQuery(self._client, paced=True)
            return self._client

    async def _drop_client(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _read_account(self) -> Account:
        try:
            return await self._look_up()
        except ViduError:
            raise
        except (TypeError, ValueError, AttributeError) as error:
            raise ViduConfigurationError(f"Cannot read the Airflow connection ({error!r}).") from error
        except Exception as error:
            # An outage of Airflow does not affect the remote task: the wait continues.
            raise ViduUnavailableError(f"Cannot read the Airflow connection now ({error}).") from error


_watchers: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Watcher]] = WeakKeyDictionary()


@contextmanager
def _fail_alone(subscriber: Subscriber | GroupSubscriber) -> Generator[None, None, None]:
    """Let an exception of one trigger's log (a full disk) end that trigger's wait only."""
    try:
        yield
    except Exception as error:
        subscriber.fail(error)


class _Membership:
    # Not a generator with contextlib's decorator: a triggerer has thousands of these, and a generator takes a kilobyte.
    __slots__ = ("_conn_id", "_look_up", "_watcher")

    def __init__(self, conn_id: str, look_up: Callable[[], Awaitable[Account]]) -> None:
        self._conn_id = conn_id
        self._look_up = look_up

    async def __aenter__(self) -> Watcher:
        look_up = self._look_up
        # It refers to a hook; the watcher keeps the only one that it needs.
        del self._look_up
        here = _watchers.setdefault(asyncio.get_running_loop(), {})
        self._watcher = here.get(self._conn_id) or here.setdefault(self._conn_id, Watcher(look_up))
        self._watcher.waiters += 1
        return self._watcher

    async def __aexit__(self, *exc_info: object) -> None:
        watcher = self._watcher
        watcher.waiters -= 1
        if watcher.waiters == 0:
            here = _watchers.get(asyncio.get_running_loop(), {})
            if here.get(self._conn_id) is watcher:
                del here[self._conn_id]
            await watcher.close()


def join(conn_id: str, look_up: Callable[[], Awaitable[Account]]) -> AbstractAsyncContextManager[Watcher]:
    """
    Join the watcher of a connection on the running event loop; the last trigger to leave closes it.

    :param conn_id: the connection's id. It means one account in a triggerer: with teams (Airflow 3.2+) a triggerer
        runs the triggers of its own team only (``Trigger.ids_for_triggerer(team_name=…)``), and its requests for a
        connection name neither trigger nor task instance (``GetConnection`` has the id alone, and the in-process
        Execution API that answers it takes every caller for the same one).
    :param look_up: reads the connection; the one of the first trigger to join is used.
    """
    # Two connections to one account have a watcher each: a key is rotated in one connection after the other, and
    # waits that shared a session would have to be separated then. It costs one more request a round.
    return _Membership(conn_id, look_up)
