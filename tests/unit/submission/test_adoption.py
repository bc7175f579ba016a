# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A message names the tasks that may be the lost one, and prints the command that adopts it."""

from __future__ import annotations

import json
import re
import shlex
from urllib.parse import parse_qs, urlsplit

import pytest

from airflow_provider_vidu import compat
from airflow_provider_vidu.api.errors import Fate, ViduError, ViduNotFoundError, ViduSubmissionInDoubtError
from airflow_provider_vidu.submission.airflow_try import Try

WIRE = {"images": ["https://x.example/a.png"], "model": "viduq3-turbo", "prompt": "p", "payload": "order-17"}
LOST = ("accepted", ViduSubmissionInDoubtError("The reply was lost."))


def test_payload_without_marker_names_the_tasks_of_that_minute(make, vidu, clock):
    make(key="of yesterday").submit(lambda: WIRE)
    clock.sleep(86_400)
    vidu.replies = [LOST]
    with pytest.raises(ViduSubmissionInDoubtError) as raised:
        make().submit(lambda: WIRE)
    assert "may be the lost one: 900002." in str(raised.value)


def test_printed_command_adopts_a_task_and_the_clear_delivers_it(make, vidu, store):
    vidu.replies = [LOST]
    with pytest.raises(ViduSubmissionInDoubtError) as raised:
        make().submit(lambda: WIRE)
    adopt, _, clear = commands_of(raised.value)
    url = urlsplit(adopt.url)
    assert (
        url.path.removeprefix("$AIRFLOW_URL") == "/api/v2/dags/d/dagRuns/r/taskInstances/t/state-store/vidu_submission"
    )
    assert parse_qs(url.query) == {"map_index": ["-1"]}
    # What the server does with it.
    store.values["vidu_submission"] = adopt.body["value"]
    assert urlsplit(clear.url).path.removeprefix("$AIRFLOW_URL") == "/api/v2/dags/d/clearTaskInstances"
    assert clear.body["task_ids"] == ["t"]
    task = make(try_number=2, max_tries=3).submit(lambda: WIRE)
    assert task.task_id == "900001"
    assert vidu.cancels == []
    assert len(vidu.submissions) == 1
    # From here on it is a record like any other.
    assert make(try_number=3, max_tries=3).submit(lambda: WIRE).task_id == "900001"
    assert store.values["vidu_submission"]["keep_running"] is False


def test_adopted_id_unknown_to_vidu_submits_nothing(make, vidu, store):
    store.values["vidu_submission"] = {"task_id": "77"}
    with pytest.raises(Exception, match="Vidu does not know"):
        make().submit(lambda: WIRE)
    assert vidu.submissions == []


def test_without_store_no_command_is_printed(make, vidu):
    make(with_store=False).submit(lambda: WIRE)
    with pytest.raises(ViduSubmissionInDoubtError) as raised:
        make(try_number=2, with_store=False).submit(lambda: WIRE)
    assert "state-store" not in str(raised.value)
    assert "download('900001'" in str(raised.value)


def test_host_without_list_prints_a_placeholder_id(make, vidu):
    vidu.replies, vidu.list_error = [LOST], ViduNotFoundError("no list", http_status=404)
    with pytest.raises(ViduSubmissionInDoubtError, match="THE-VIDU-TASK-ID"):
        make().submit(lambda: {**WIRE, "payload": None})


def test_unreadable_record_submits_nothing_and_says_how_to_fix_it(make, vidu, store):
    store.values["vidu_submission"] = {"phase": "submited"}
    with pytest.raises(ViduError, match=r"cannot be read.* curl -X PUT .* curl -X PUT") as raised:
        make().submit(lambda: WIRE)
    assert raised.value.fate is Fate.PERMANENT
    assert vidu.submissions == []


def test_second_command_records_that_nothing_was_created(make, vidu, store):
    vidu.replies, vidu.list_error = [LOST], ViduNotFoundError("no list", http_status=404)
    with pytest.raises(ViduSubmissionInDoubtError) as raised:
        make().submit(lambda: WIRE)
    _, nothing, _ = commands_of(raised.value)
    assert urlsplit(nothing.url).path.endswith("/state-store/vidu_submission")
    store.values["vidu_submission"] = nothing.body["value"]
    make(try_number=2, max_tries=3).submit(lambda: WIRE)
    assert len(vidu.submissions) == 2


@pytest.mark.parametrize(("discards", "keeps"), [(False, {}), (True, {"keep_task_state": True})])
def test_clear_keeps_an_adopted_task(make, vidu, monkeypatch, discards, keeps):
    """From Airflow 3.4 on a clear discards the adoption unless it is asked to keep it."""
    monkeypatch.setattr(compat, "clear_discards_state", lambda: discards)
    vidu.replies = [LOST]
    with pytest.raises(ViduSubmissionInDoubtError) as raised:
        make().submit(lambda: WIRE)
    clear = commands_of(raised.value)[-1]
    assert clear.body == {"dry_run": False, "dag_run_id": "r", "task_ids": ["t"], **keeps}
    assert ("*Keep task state*" in str(raised.value)) is discards


@pytest.mark.parametrize(
    ("place", "query"),
    [((), "map_index=3"), (("5e0f", 3), "region_id=5e0f&region_index=3")],
    ids=["below 3.4", "3.4"],
)
def test_commands_name_one_mapped_instance(place, query):
    this_try = Try(identity=("d", "r", "t", 3, *place))
    assert Command(shlex.split(this_try.clear_command())).body["task_ids"] == [["t", 3]]
    assert urlsplit(Command(shlex.split(this_try.write_command("k", {"task_id": "1"}))).url).query == query


def test_commands_survive_quotes_in_ids():
    this_try = Try(identity=("d", "it's", "t", 3))
    command = Command(shlex.split(this_try.clear_command()))
    assert command.body["dag_run_id"] == "it's"
    assert command.body["task_ids"] == [["t", 3]]


class Command:
    def __init__(self, words):
        self.url = next(word for word in words if "/api/v2/" in word)
        self.body = json.loads(words[words.index("-d") + 1])


def commands_of(error):
    return [Command(shlex.split(text)) for text in re.findall(r"curl .*?}'", str(error))]
