# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Call Vidu through an Airflow connection, in workers, in async tasks and in the triggerer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_vidu import compat
from airflow_provider_vidu.transport import timing

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_provider_vidu.api.account import Account
    from airflow_provider_vidu.api.registry import Endpoint
    from airflow_provider_vidu.api.request import ViduRequest
    from airflow_provider_vidu.api.tasks import Credits, ViduTask
    from airflow_provider_vidu.client import AsyncViduClient, ViduClient
    from airflow_provider_vidu.submission.driver import Submission
    from airflow_provider_vidu.submission.orphans import Orphan


class ViduHook(BaseHook):
    """
    Call Vidu with the settings of an Airflow connection.

    The connection (type ``vidu``): ``password`` = API key; ``host`` = base URL, with or without scheme and port,
    empty = ``https://api.vidu.com`` (mainland keys need ``https://api.vidu.cn``); ``schema`` and ``port`` are
    used. Extra, all optional: ``auth_scheme`` (``Token`` for Vidu's own hosts, ``Bearer`` for others; ``""`` =
    the key alone), ``api_prefix`` (``/ent/v2``), ``create_path``, ``task_path``, ``cancel_path``, ``list_path``,
    ``credits_path`` (with ``{endpoint}`` / ``{task_id}``; with a leading slash from the host's root, without one below
    the prefix; ``null`` = this relay lacks it), ``timeout`` (seconds per request, 60), ``settle_seconds`` (60),
    ``poll_interval`` (seconds between polls of a task; else the schedule decides), ``verify`` (true, false, or a CA
    bundle's path), ``proxy``, ``allow_http``, ``max_file_mb`` (size limit of a landed file, 2000), ``task_url`` (a page
    that shows a task, with ``{task_id}``).

    The hook reads the connection when it first needs it, so you may create one at parse time.

    :param vidu_conn_id: the connection's id.
    """

    conn_name_attr = "vidu_conn_id"
    default_conn_name = "vidu_default"
    conn_type = "vidu"
    hook_name = "Vidu"

    def __init__(self, vidu_conn_id: str = default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.vidu_conn_id = vidu_conn_id
        self._account: Account | None = None
        self._client: ViduClient | None = None
        self._unknown = ""
        self._submissions: dict[str, Submission] = {}

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return the form's labels for Airflow 3.0 and 3.1; newer ones read them from the provider's metadata."""
        from airflow_provider_vidu.provider_info import UI_FIELD_BEHAVIOUR

        return {
            "hidden_fields": UI_FIELD_BEHAVIOUR["hidden-fields"],
            "relabeling": UI_FIELD_BEHAVIOUR["relabeling"],
            "placeholders": UI_FIELD_BEHAVIOUR["placeholders"],
        }

    @property
    def account(self) -> Account:
        """
        Host, key and settings of the connection; read once.

        :raises ViduConfigurationError: the connection is missing or invalid.
        """
        if self._account is None:
            self._account = self._look_up()
        return self._account

    def _look_up(self) -> Account:
        from airflow.providers.common.compat.sdk import AirflowNotFoundException

        from airflow_provider_vidu.api.errors import ViduConfigurationError

        try:
            connection = self.get_connection(self.vidu_conn_id)
        except AirflowNotFoundException as error:
            raise ViduConfigurationError(
                f"There is no connection {self.vidu_conn_id!r}.",
                advice=f"Add it: airflow connections add {self.vidu_conn_id} --conn-type vidu --conn-password KEY.",
            ) from error
        return self._read(connection, connection.extra_dejson)

    def _read(self, connection: Any, extra: Any) -> Account:
        from airflow_provider_vidu.api.account import account_from_fields, unknown_extras

        unknown = unknown_extras(extra) if isinstance(extra, Mapping) else []
        if unknown:
            self._unknown = f"Unknown in the connection's extra, and ignored: {', '.join(unknown)}."
            if (self.vidu_conn_id, self._unknown) not in _warned:
                _warned.add((self.vidu_conn_id, self._unknown))
                self.log.warning("Connection %s: %s", self.vidu_conn_id, self._unknown)
        return account_from_fields(
            host=connection.host,
            schema=connection.schema,
            port=connection.port,
            password=connection.password,
            extra=extra,
            conn_id=self.vidu_conn_id,
        )

    async def aget_account(self) -> Account:
        """Read the connection on an event loop, again at every call; see :attr:`account`."""
        from airflow.providers.common.compat.sdk import AirflowNotFoundException

        try:
            connection = await compat.get_async_connection(self.vidu_conn_id, hook=self)
        except AirflowNotFoundException:
            # The inline trigger of `airflow dags test` cannot find connections of the database this way.
            self._account = await asyncio.to_thread(self._look_up)
        else:
            extra = await compat.get_async_extra(connection)
            self._account = self._read(connection, extra)
        return self._account

    def get_conn(self) -> ViduClient:
        """Return the blocking client of this connection, created once."""
        from airflow_provider_vidu.client import ViduClient

        if self._client is None:
            self._client = ViduClient(self.account)
        return self._client

    async def aget_conn(self) -> AsyncViduClient:
        """Return a new client for an event loop; close it, or use it with ``async with``."""
        from airflow_provider_vidu.client import AsyncViduClient

        return AsyncViduClient(await self.aget_account())

    def submit(
        self,
        request: ViduRequest | Mapping[str, Any],
        *,
        extra_params: Mapping[str, Any] | None = None,
        endpoint: str = "img2video",
    ) -> ViduTask:
        """
        Submit, **unprotected**: if you lose the returned id, or a retry calls this again, you pay again.

        Inside a task use :meth:`submit_once`.

        :param request: a request, or its fields by their API names (``images`` may be a path or an
            ``ObjectStoragePath`` URL).
        :param extra_params: merged into the request last, unchecked.
        :param endpoint: the last part of the create path.
        :return: the created task.
        :raises ViduInputError: a field is invalid; nothing was sent.
        :raises ViduSubmissionInDoubtError: the reply was lost; the task may exist.
        """
        to = _endpoint_of(endpoint, request)
        client = self.get_conn()
        return client.submit(_wire_to_send(client.account, request, extra_params, self.log, to), endpoint=to.name)

    async def asubmit(
        self,
        request: ViduRequest | Mapping[str, Any],
        *,
        extra_params: Mapping[str, Any] | None = None,
        endpoint: str = "img2video",
    ) -> ViduTask:
        """See :meth:`submit`."""
        to = _endpoint_of(endpoint, request)
        async with await self.aget_conn() as client:
            wire = await asyncio.to_thread(_wire_to_send, client.account, request, extra_params, self.log, to)
            return await client.submit(wire, endpoint=to.name)

    def submit_once(
        self,
        context: Any,
        request: ViduRequest | Mapping[str, Any],
        *,
        extra_params: Mapping[str, Any] | None = None,
        endpoint: str = "img2video",
        key: str | None = None,
        on_unknown: str = "fail",
        on_input_change: str = "fail",
        max_credits: int | None = None,
        min_remaining_credits: int | None = None,
        clock: Callable[[], float] = timing.now,
        sleep: Callable[[float], None] = timing.sleep,
    ) -> ViduTask:
        """
        Submit once per intended run of a task instance, whatever dies. For TaskFlow.

        A retry finds the task that an earlier try submitted. A clear submits again if the video was delivered, that is,
        landed by :meth:`download` or noted by :meth:`note_returned`. If it was not, a clear returns a video that is
        finished and paid for; a task that is still running is cancelled, if Vidu allows it, and submitted again. From
        Airflow 3.4 on, a clear by default discards the record of the delivery: then it submits again even if there is a
        finished video, and a warning in the log names that video. See "Durable execution" in ``docs/reliability.md``.

        :param context: the running task's context (``get_current_context()``).
        :param request: as in :meth:`submit`.
        :param extra_params: merged into the request last, unchecked.
        :param endpoint: the last part of the create path.
        :param key: the record's key in the state store; a task that submits several times needs one key for each.
        :param on_unknown: ``fail`` or ``resubmit``, if it is unknown whether an earlier attempt was accepted.
        :param on_input_change: ``fail`` or ``resubmit``, if a retry's request differs from the submitted one.
        :param max_credits: maximum credits for this generation, see ``Img2VideoOperator``; None = no limit.
        :param min_remaining_credits: credits that the account must have left after it; None = no limit.
        :param clock: epoch seconds; injected by tests.
        :param sleep: seconds; injected by tests.
        :return: the task, running or finished.
        :raises AirflowFailException: a retry cannot fix the cause; for other causes the :class:`ViduError` itself.
        """
        from airflow_provider_vidu.api.errors import ViduError
        from airflow_provider_vidu.exceptions import raise_for_airflow
        from airflow_provider_vidu.reporting.lineage import report_lineage
        from airflow_provider_vidu.submission.airflow_try import Policies
        from airflow_provider_vidu.submission.credit_limits import CreditLimits
        from airflow_provider_vidu.submission.driver import Submission
        from airflow_provider_vidu.submission.record import STORE_KEY

        try:
            to = _endpoint_of(endpoint, request)
            submission = Submission.of(
                context,
                self.get_conn(),
                Policies(
                    on_unknown=on_unknown,
                    on_input_change=on_input_change,
                    limits=CreditLimits(max_credits, min_remaining_credits),
                ),
                endpoint=to,
                key=key or STORE_KEY,
                clock=clock,
                sleep=sleep,
                log=self.log,
            )
            sources = to.sources(request if isinstance(request, Mapping) else request.wire())
            wire = partial(_wire, request, extra_params, self.log, to)
            task = submission.submit(wire, picture=next(iter(sources), None))
        except ViduError as error:
            raise_for_airflow(error)
        self._submissions[task.task_id] = submission
        report_lineage(self, sources, ())
        return task

    def note_returned(self, task: ViduTask | str) -> None:
        """
        Record that a video of :meth:`submit_once` was delivered, so that a later clear starts a new generation.

        :meth:`download` calls this itself. Call it if you deliver the video in another way.

        :param task: the task that this hook's ``submit_once`` returned, or its id.
        """
        submission = self._submissions.get(task if isinstance(task, str) else task.task_id)
        if submission is not None:
            submission.note_returned()

    async def asubmit_once(self, context: Any, request: ViduRequest | Mapping[str, Any], **options: Any) -> ViduTask:
        """See :meth:`submit_once`; runs in a thread, because the state store has no asynchronous interface."""
        return await asyncio.to_thread(self.submit_once, context, request, **options)

    def wait_for_task(
        self, task: ViduTask | str, *, timeout: float | None = None, poll_interval: float | None = None
    ) -> ViduTask:
        """
        Wait in this process until a task has its video.

        :param task: a task from :meth:`submit_once`, or an id.
        :param timeout: seconds; None = 24 hours, off-peak 49.
        :param poll_interval: seconds between polls; None = the schedule decides.
        :return: the task with its creations and freshly signed links.
        :raises ViduError: the task failed, has no video, or is still running at the deadline.
        """
        from airflow_provider_vidu.api.tasks import ViduTask
        from airflow_provider_vidu.waiting.next_poll import default_timeout
        from airflow_provider_vidu.waiting.wait import fetch_finished, hints_of, wait_for_end

        client = self.get_conn()
        known = ViduTask(task_id=task) if isinstance(task, str) else task
        seconds = default_timeout(off_peak=bool(known.off_peak)) if timeout is None else timeout
        now = timing.now()
        ended = wait_for_end(
            client,
            known,
            hints=hints_of(known, submitted_at=now if known.state == "created" else None),
            end_time=now + seconds,
            poll_interval=poll_interval,
            log=self.log,
        )
        return fetch_finished(client, ended)

    def get_task(self, task_id: str) -> ViduTask:
        """
        Query a task. Vidu signs its links again on every query.

        :param task_id: Vidu's id.
        """
        return self.get_conn().get_task(str(task_id))

    async def aget_task(self, task_id: str) -> ViduTask:
        """See :meth:`get_task`."""
        async with await self.aget_conn() as client:
            return await client.get_task(str(task_id))

    def list_tasks(
        self,
        task_ids: Sequence[str] | None = None,
        states: Sequence[str] | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
    ) -> Iterator[ViduTask]:
        """
        Iterate over the account's tasks.

        :param task_ids: only these, at most 100.
        :param states: only tasks in these states.
        :param created_after: None = the last seven days.
        :param created_before: see ``created_after``.
        """
        return self.get_conn().list_tasks(task_ids, states, created_after, created_before)

    async def alist_tasks(
        self,
        task_ids: Sequence[str] | None = None,
        states: Sequence[str] | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
    ) -> AsyncIterator[ViduTask]:
        """See :meth:`list_tasks`; reads the whole list before it yields the first task."""
        async with await self.aget_conn() as client:
            listed = client.list_tasks(task_ids, states, created_after, created_before)
            tasks = [task async for task in listed]
        for task in tasks:
            yield task

    def find_orphans(self, created_after: datetime | None = None) -> list[Orphan]:
        """
        Find this Airflow's running Vidu tasks whose Dag run is over or deleted. Call it from inside a task.

        These tasks take a slot of the account and are billed when they succeed. This method cancels nothing, because
        a sensor in another DAG or a callback may still wait for them: check the list, then pass ids to
        :meth:`cancel_task`.

        A task counts as this Airflow's only if the marker in its payload was sealed with this Airflow's Fernet key and
        ``[api] base_url``. Without a key (``[core] fernet_key``), or with your own payload without ``{marker}``, a task
        is never reported. Tasks of a development Airflow on the same account are not reported either.

        :param created_after: None = the last seven days.
        :return: a list of ``Orphan(vidu_task, dag_id, run_id, task_id, map_index, run_is_gone)``.
        :raises ViduConfigurationError: this host has no task list.
        """
        from airflow_provider_vidu.submission.orphans import find_orphans

        found = find_orphans(
            self.get_conn(),
            opened=compat.decrypt_parts,
            installation=compat.base_url(),
            run_is_active=compat.query_run_activity,
            created_after=created_after,
        )
        return list(found)

    async def afind_orphans(self, created_after: datetime | None = None) -> list[Orphan]:
        """See :meth:`find_orphans`; runs in a thread."""
        return await asyncio.to_thread(self.find_orphans, created_after)

    def cancel_task(self, task_id: str) -> None:
        """
        Cancel a task that has not started. Vidu refunds it; once the task is scheduled, Vidu refuses to cancel it.

        :param task_id: Vidu's id.
        :raises ViduRequestError: Vidu refused to cancel it.
        """
        self.get_conn().cancel_task(str(task_id))

    async def acancel_task(self, task_id: str) -> None:
        """See :meth:`cancel_task`."""
        async with await self.aget_conn() as client:
            await client.cancel_task(str(task_id))

    def get_credits(self) -> Credits:
        """Read the account's balance."""
        return self.get_conn().get_credits()

    async def aget_credits(self) -> Credits:
        """See :meth:`get_credits`."""
        async with await self.aget_conn() as client:
            return await client.get_credits()

    def download(self, task_or_url: ViduTask | Mapping[str, Any] | str, destination: str) -> dict[str, Any]:
        """
        Download what a task made: a video, a picture or a sound, recognised by its first bytes.

        If the task has several, each lands in a file of its own (``<name>.mp4``, ``<name>-2.mp4`` and so on), and it
        counts as delivered once all of them are landed.

        :param task_or_url: a task, a task record, a task id, or the URL of a creation. A URL expires within 24 hours;
            for a task the hook reads a fresh one.
        :param destination: a file name, which ends in the suffix of a video (``.mp4``, ``.mov``, ``.m4v``), a picture
            (``.png``, ``.jpg``, ``.jpeg``, ``.webp``) or a sound (``.mp3``, ``.wav``), or a folder (anything else),
            where the file is ``<task id>`` with the suffix of what it is; a local path or any ``ObjectStoragePath``
            URL.
        :return: ``{"kind", "path", "bytes", "sha256", "duration", "width", "height", "fps"}`` of the file; the kind is
            ``video``, ``image`` or ``audio``. If the task has several, those of the first one, and in ``others`` a list
            of those of the others.
        :raises ViduLandingError: a file could not be fetched or written, or is not of the kind that its name says.
        """
        from airflow_provider_vidu.api.registry import ANY
        from airflow_provider_vidu.api.tasks import Creation, ViduTask
        from airflow_provider_vidu.landing.destinations import Wanted
        from airflow_provider_vidu.landing.land import land_all
        from airflow_provider_vidu.reporting.lineage import report_lineage
        from airflow_provider_vidu.waiting.wait import fetch_finished

        wanted = Wanted(destination, produces=ANY)
        if isinstance(task_or_url, str) and task_or_url.startswith(("http://", "https://")):
            # No task id is known, so the link cannot be read again.
            link = ViduTask(task_id="video", state="success", creations=(Creation(url=task_or_url),))
            files = land_all(self.get_conn(), link, wanted, log=self.log, read_task=lambda: link)
            report_lineage(self, (), files)
            return files[0]
        named = task_or_url["task_id"] if isinstance(task_or_url, Mapping) else task_or_url
        known = named if isinstance(named, ViduTask) else ViduTask(task_id=str(named))
        task = fetch_finished(self.get_conn(), known)
        files = land_all(self.get_conn(), task, wanted, log=self.log)
        self.note_returned(task)
        report_lineage(self, (), files)
        first, *others = files
        return {**first, "others": others} if others else first

    async def adownload(self, task_or_url: ViduTask | Mapping[str, Any] | str, destination: str) -> dict[str, Any]:
        """See :meth:`download`; runs in a thread."""
        return await asyncio.to_thread(self.download, task_or_url, destination)

    def test_connection(self) -> tuple[bool, str]:
        """
        Check host and key with free requests: the balance, else the task list, else a task that cannot exist.

        Success means that the host has checked the key. A host that gives every key the same answer fails the test.

        :return: whether it works, and a message that says what happened and what to do. The key is never in it.
        """
        from airflow_provider_vidu.hooks.connection_test import check_connection

        works, message = check_connection(lambda: self.account, self.vidu_conn_id)
        return works, f"{message} {self._unknown}".strip()


# Connections and their unknown extras that this process has already warned about.
_warned: set[tuple[str, str]] = set()


def _endpoint_of(name: str, request: ViduRequest | Mapping[str, Any]) -> Endpoint:
    """Return an endpoint, and refuse a request that was built for another one."""
    from airflow_provider_vidu.api.errors import ViduInputError
    from airflow_provider_vidu.api.unchecked import find_endpoint

    endpoint = find_endpoint(name)
    if not isinstance(request, (Mapping, endpoint.request)):
        raise ViduInputError(f"{type(request).__name__} is not a request for {name}: pass its own endpoint as well.")
    return endpoint


def _wire(
    request: ViduRequest | Mapping[str, Any], extra_params: Mapping[str, Any] | None, log: Any, endpoint: Endpoint
) -> dict[str, Any]:
    from airflow_provider_vidu.images import wire_of

    return wire_of(request if isinstance(request, Mapping) else request.wire(), extra_params, log, endpoint=endpoint)


def _wire_to_send(
    account: Account,
    request: ViduRequest | Mapping[str, Any],
    extra_params: Mapping[str, Any] | None,
    log: Any,
    endpoint: Endpoint,
) -> dict[str, Any]:
    from airflow_provider_vidu.submission.uploads import with_uploads

    return with_uploads(account, _wire(request, extra_params, log, endpoint), log)
