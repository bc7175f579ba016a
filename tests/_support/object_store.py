# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
A real object store: moto's S3 server on a free port, with recorded requests, hooks and permissions.

Permissions are AWS's own: a user with a policy, which moto reads for every request once :meth:`ObjectStore.denying`
has started. moto itself answers every request.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs

import boto3
from moto import settings
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

BUCKET = "videos"
CONN_ID = "object_store"

_REGION = "us-east-1"
_USER = "worker"
#: All permissions except for putting an object, which is needed to start an upload but not to abort it.
_READING = ["s3:Get*", "s3:List*", "s3:HeadObject", "s3:HeadBucket", "s3:AbortMultipartUpload"]


@dataclass
class Call:
    """A request of the worker and the status of its reply."""

    method: str
    path: str
    query: dict[str, list[str]]
    status: int = 0

    @property
    def part(self) -> int | None:
        """The number of the uploaded part; None = the request uploads no part."""
        number = self.query.get("partNumber")
        return int(number[0]) if number and self.method == "PUT" else None

    @property
    def puts(self) -> bool:
        """Whether the request creates a whole object, at once or from its parts."""
        return (self.method == "PUT" and self.part is None) or (self.method == "POST" and "uploadId" in self.query)

    @property
    def reads(self) -> bool:
        """Whether the request reads an object's content."""
        return self.method == "GET" and self.path.count("/") > 1


@dataclass
class _Hook:
    applies: Callable[[Call], bool]
    act: Callable[[], Any]
    answered: bool
    done: bool = False


@dataclass
class ObjectStore:
    """A running store; see :func:`serving`."""

    url: str
    calls: list[Call] = field(default_factory=list)
    hooks: list[_Hook] = field(default_factory=list)

    @cached_property
    def s3(self) -> Any:
        """An administrator's client, whose requests are not recorded."""
        return self._admin("s3")

    @cached_property
    def _iam(self) -> Any:
        return self._admin("iam")

    def connection_json(self) -> str:
        """Return the worker's Airflow connection."""
        login, password = self._keys
        extra = {"endpoint_url": self.url, "region_name": _REGION}
        return json.dumps({"conn_type": "aws", "login": login, "password": password, "extra": extra})

    def path(self, key: str = "", bucket: str = BUCKET) -> str:
        """Return the URL by which Airflow finds an object."""
        return f"s3://{CONN_ID}@{bucket}/{key}"

    def put(self, key: str, content: bytes) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=content)

    def read(self, key: str) -> bytes:
        content: bytes = self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return content

    def media_type(self, key: str) -> str:
        return str(self.s3.head_object(Bucket=BUCKET, Key=key)["ContentType"])

    @property
    def keys(self) -> list[str]:
        """The keys of all objects."""
        return [found["Key"] for found in self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]

    @property
    def unfinished(self) -> list[str]:
        """The keys of uploads that were neither completed nor aborted, and are not objects."""
        return [found["Key"] for found in self.s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])]

    def before(self, applies: Callable[[Call], bool], act: Callable[[], Any]) -> None:
        """Do something once, before the first matching request is passed on."""
        self.hooks.append(_Hook(applies, act, answered=False))

    def after(self, applies: Callable[[Call], bool], act: Callable[[], Any]) -> None:
        """Do something once, after the first matching request was answered."""
        self.hooks.append(_Hook(applies, act, answered=True))

    @contextmanager
    def denying(self) -> Generator[None, None, None]:
        """Enforce policies. The worker's policy allows everything until :meth:`revoke`."""
        settings.INITIAL_NO_AUTH_ACTION_COUNT = 0.0
        try:
            yield
        finally:
            settings.INITIAL_NO_AUTH_ACTION_COUNT = float("inf")
            self.grant()

    def revoke(self) -> None:
        """Remove the worker's permission to put objects."""
        self._allow(_READING)

    def allow(self, *actions: str) -> None:
        """Allow the worker these actions and no others."""
        self._allow(list(actions))

    def grant(self) -> None:
        """Allow the worker everything again."""
        self._allow(["s3:*"])

    def run_hooks(self, call: Call, *, answered: bool) -> None:
        for hook in self.hooks:
            if not hook.done and hook.answered is answered and hook.applies(call):
                hook.done = True
                hook.act()

    @cached_property
    def _keys(self) -> tuple[str, str]:
        self._iam.create_user(UserName=_USER)
        self.grant()
        made = self._iam.create_access_key(UserName=_USER)["AccessKey"]
        return made["AccessKeyId"], made["SecretAccessKey"]

    def _allow(self, actions: list[str]) -> None:
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}
        before, settings.INITIAL_NO_AUTH_ACTION_COUNT = settings.INITIAL_NO_AUTH_ACTION_COUNT, float("inf")
        try:
            self._iam.put_user_policy(UserName=_USER, PolicyName="store", PolicyDocument=json.dumps(policy))
        finally:
            settings.INITIAL_NO_AUTH_ACTION_COUNT = before

    def _admin(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=_REGION,
            aws_access_key_id="admin",
            aws_secret_access_key="admin",  # pragma: allowlist secret
        )


@contextmanager
def serving() -> Generator[ObjectStore, None, None]:
    """Run a store in threads of this process, with one empty bucket."""
    store = ObjectStore("")
    server = make_server(
        "127.0.0.1",
        0,
        _Observed(store, DomainDispatcherApplication(create_backend_app)),
        threaded=True,
        request_handler=_Silent,
    )
    store.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        store.s3.create_bucket(Bucket=BUCKET)
        yield store
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def empty(store: ObjectStore) -> None:
    """Remove everything that a test has left."""
    for key in store.keys:
        store.s3.delete_object(Bucket=BUCKET, Key=key)
    for upload in store.s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []):
        store.s3.abort_multipart_upload(Bucket=BUCKET, Key=upload["Key"], UploadId=upload["UploadId"])
    store.calls.clear()
    store.hooks.clear()


class _Silent(MotoRequestHandler):
    def log(self, *arguments: Any) -> None:
        pass


class _Observed:
    """moto's application, which records the worker's requests and runs the hooks."""

    def __init__(self, store: ObjectStore, application: Any) -> None:
        self._store = store
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        if "Credential=admin/" in environ.get("HTTP_AUTHORIZATION", ""):
            return self._application(environ, start_response)
        query = parse_qs(environ["QUERY_STRING"], keep_blank_values=True)
        call = Call(environ["REQUEST_METHOD"], environ["PATH_INFO"], query)
        self._store.calls.append(call)
        self._store.run_hooks(call, answered=False)

        def begin(status: str, *arguments: Any) -> Any:
            call.status = int(status.split()[0])
            return start_response(status, *arguments)

        answer = self._application(environ, begin)
        self._store.run_hooks(call, answered=True)
        return answer
