# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Looks at remote tasks for every trigger of an account in a triggerer: one connection look-up, one session, one poller.

Whom to look at when is decided by ``airflow_provider_vidu.waiting.poll_plan``, how to ask by
``airflow_provider_vidu.waiting.bulk_query``; here the two meet the clock and the triggers. A trigger that waits costs a
future; no coroutine of its own runs for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from contextvars import Context
from importlib import import_module
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from airflow_provider_vidu.api.endpoints import MAX_PAGE_SIZE
from airflow_provider_vidu.api.errors import (
    ViduAuthError,
    ViduConfigurationError,
    ViduError,
    ViduUnavailableError,
    is_outage,
)
from airflow_provider_vidu.transport import timing
from airflow_provider_vidu.waiting.bulk_query import BulkQuery
from airflow_provider_vidu.waiting.poll_plan import Entry, PollPlan
from airflow_provider_vidu.waiting.schedule import Hints, Verdict
from airflow_provider_vidu.waiting.subscribers import GroupOutcome, GroupSubscriber, Outcome, Subscriber

if TYPE_CHECKING:
    from airflow_provider_vidu.api.account import Account
    from airflow_provider_vidu.api.tasks import ViduTask
    from airflow_provider_vidu.client import AsyncViduClient

#: Waits that are told of a look before the event loop gets its turn: a thousand log lines at once would hold it up.
MAX_NOTIFIED_AT_ONCE = 20


class Watcher:
    """
    One account's waits on one event loop. Its poller starts with the first wait and ends with :meth:`close`.

    :param look_up: how to read the connection; called once, and again after a 401.
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
        Wait until a remote task has ended, or the deadline has passed.

        :param task_id: Vidu's id.
        :param hints: for the schedule.
        :param end_time: epoch seconds.
        :param poll_interval: seconds; None = the account's, or else the schedule decides.
        :param log: where progress is told.
        :return: how it ended: success, failure, the deadline, or an error that waiting does not mend.
        :raises Exception: what broke the poller: nobody waits for one that has ended.
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
        Wait until each of many remote tasks has ended; the log tells of all together, about once a minute.

        :param task_ids: Vidu's ids, any number.
        :param hints: of each of them.
        :param end_time: epoch seconds.
        :param poll_interval: see :meth:`wait`.
        :param log: where progress is told.
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
        """
        Query one task over the watcher's session: its links are signed anew.

        :param task_id: Vidu's id.
        :return: the task as it is now.
        :raises ViduError: what came instead.
        """
        return await (await self._open_client()).get_task(task_id)

    async def task_page(self, task_id: str) -> str | None:
        """
        Return where a person can look at a task.

        :param task_id: Vidu's id.
        :return: None = nobody knows a page.
        """
        return (await self._open_client()).account.task_page(task_id)

    async def close(self) -> None:
        """End the poller and close the session."""
        poller, self._poller = self._poller, None
        # Python before 3.12 may swallow a cancellation in wait_for, where an answer has just come.
        self._is_closing = True
        if poller is not None:
            poller.cancel()
            # It closes its session even if whoever waits here is cancelled.
            await asyncio.wait({poller})

    # -- subscribers ------------------------------------------------------------------------------------------

    async def _start_poller(self) -> None:
        if self._poller is None:
            # In no trigger's context: what the poller logs and looks up is not the first one's alone.
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
            self._fail_all(ViduUnavailableError("The wait was broken off in the triggerer."), error)
            raise
        except BaseException as error:
            # Not only an Exception: in a worker Airflow's execution timeout is raised wherever the loop stands.
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
                # Half a second of importing is no business of the triggerer's loop.
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
            raise ViduConfigurationError(f"The connection cannot be read ({error!r}).") from error
        except Exception as error:
            # Airflow's own outage is none of the remote task's: the wait goes on.
            raise ViduUnavailableError(f"The connection cannot be read now ({error}).") from error


_watchers: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Watcher]] = WeakKeyDictionary()


@contextmanager
def _fail_alone(subscriber: Subscriber | GroupSubscriber) -> Generator[None, None, None]:
    """Let what one trigger's log raises (a full disk) end that trigger's wait, and no other's."""
    try:
        yield
    except Exception as error:
        subscriber.fail(error)


class _Membership:
    # Not a generator with contextlib's decorator: a triggerer has thousands, and those are a kilobyte each.
    __slots__ = ("_conn_id", "_look_up", "_watcher")

    def __init__(self, conn_id: str, look_up: Callable[[], Awaitable[Account]]) -> None:
        self._conn_id = conn_id
        self._look_up = look_up

    async def __aenter__(self) -> Watcher:
        look_up = self._look_up
        # It holds a hook, and the watcher keeps the one that it needs.
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
    Join the watcher of a connection on the running event loop; the last one to leave ends it.

    :param conn_id: the connection's id. It names one account in a triggerer: with teams (Airflow 3.2+) a triggerer
        takes the triggers of its own team only (``Trigger.ids_for_triggerer(team_name=…)``), and its requests for a
        connection name neither trigger nor task instance (``GetConnection`` holds the id alone, and the in-process
        Execution API that answers it takes every caller for the same one).
    :param look_up: how to read the connection; the first one to join brings it.
    """
    # Two connections to one account have a watcher each: a key is rotated in one connection after the other, and
    # waits that had shared a session would have to be parted then. It costs one more request a round.
    return _Membership(conn_id, look_up)
