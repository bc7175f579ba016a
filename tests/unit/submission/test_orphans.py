# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Only tasks that are provably this Airflow's, and that no run waits for, are reported as orphans."""

from __future__ import annotations

from uuid import UUID

import pytest
from cryptography.fernet import Fernet

from airflow_provider_vidu import compat
from airflow_provider_vidu.emulator import Fault
from airflow_provider_vidu.hooks.vidu import ViduHook

FIELDS = {"images": "https://example.com/a.png", "model": "viduq2-turbo", "duration": 1, "prompt": "p"}


class Ciphers:
    """This Airflow's key, and another's."""

    def __init__(self) -> None:
        self.ours, self.theirs = Fernet(Fernet.generate_key()), Fernet(Fernet.generate_key())
        self.now: Fernet | None = self.ours


@pytest.fixture
def ciphers(monkeypatch):
    made = Ciphers()
    monkeypatch.setattr(compat, "_cipher", lambda: made.now)
    return made


@pytest.fixture
def runs(monkeypatch):
    active: dict[tuple[str, str], bool] = {}
    monkeypatch.setattr(compat, "query_run_activity", lambda dag_id, run_id: active.get((dag_id, run_id)))
    return active


@pytest.fixture
def submit(runtime_context, store):
    def submit(run_id, map_index=-1, region=(None, None), **fields):
        store.values.clear()
        place = dict(zip(("region_id", "region_index"), region, strict=True))
        context = runtime_context(store, run_id=run_id, map_index=map_index, **place)
        return ViduHook().submit_once(context, {**FIELDS, **fields}).task_id

    return submit


@pytest.mark.vidu_emulator(concurrency=0)
def test_what_a_finished_or_deleted_run_left_running_is_reported(vidu_emulator, ciphers, runs, submit):
    runs.update({("d", "going on"): True, ("d", "over"): False})
    submit("going on")
    over, gone = submit("over", map_index=3), submit("gone")
    found = {orphan.vidu_task.task_id: orphan for orphan in ViduHook().find_orphans()}
    assert set(found) == {over, gone}
    assert (found[over].dag_id, found[over].run_id, found[over].task_id) == ("d", "over", "t")
    assert (found[over].map_index, found[over].run_is_gone) == (3, False)
    assert found[gone].run_is_gone is True
    assert vidu_emulator.counters.requests["cancel"] == 0


@pytest.mark.vidu_emulator(concurrency=0)
def test_loop_iterations_and_mapped_instances_of_3_4_are_found(vidu_emulator, ciphers, runs, submit):
    looped = submit("gone", region=(UUID(int=7), 1))
    mapped = submit("gone", map_index=3, region=(UUID(int=8), 3))
    found = {orphan.vidu_task.task_id: orphan.map_index for orphan in ViduHook().find_orphans()}
    assert found == {looped: -1, mapped: 3}


@pytest.mark.vidu_emulator(concurrency=0)
def test_what_is_not_provably_ours_is_never_named(vidu_emulator, ciphers, runs, submit):
    ciphers.now = ciphers.theirs
    submit("of another Airflow on this account")
    ciphers.now = None
    submit("of an Airflow without a key")
    ciphers.now = ciphers.ours
    submit("with a payload of the user's", payload="order-17")
    ViduHook().submit({**FIELDS, "payload": "avp1:" + "0" * 32 + ".gAAAAAforged"})
    assert ViduHook().find_orphans() == []


@pytest.mark.vidu_emulator(concurrency=0)
def test_copy_of_this_airflow_with_the_same_key_is_foreign(vidu_emulator, ciphers, runs, submit, monkeypatch):
    monkeypatch.setattr(compat, "base_url", lambda: "https://staging.example")
    submit("of the copy")
    monkeypatch.setattr(compat, "base_url", lambda: "https://airflow.example")
    assert ViduHook().find_orphans() == []


@pytest.mark.vidu_emulator(concurrency=0)
def test_payload_that_quotes_another_tasks_marker_is_still_its_own(vidu_emulator, ciphers, runs, submit):
    runs["d", "going on"] = True
    submit("over")
    quoted = vidu_emulator.tasks[0].request.payload
    submit("going on", payload=f"made from {quoted}; {{marker}}")
    assert [orphan.run_id for orphan in ViduHook().find_orphans()] == ["over"]


def test_what_has_ended_is_no_orphan(vidu_emulator, ciphers, runs, submit):
    ViduHook().wait_for_task(submit("over"))
    assert ViduHook().find_orphans() == []


@pytest.mark.vidu_emulator(concurrency=0)
@pytest.mark.parametrize("without_payload", [True, False])
def test_orphans_are_found_with_and_without_payload_in_the_rows(vidu_emulator, ciphers, runs, submit, without_payload):
    orphan = submit("gone")
    vidu_emulator.quirks.list_without_payload = without_payload
    assert [found.vidu_task.task_id for found in ViduHook().find_orphans()] == [orphan]


@pytest.mark.vidu_emulator(concurrency=0)
def test_marker_shows_no_names_and_is_still_found(vidu_emulator, ciphers, submit, store):
    vidu_emulator.faults.add("submit", Fault.drop_after_accept())
    submit("a run of a customer")
    payload = vidu_emulator.tasks[0].request.payload
    assert payload == store.values["vidu_submission"]["marker"]
    assert "customer" not in payload
    assert compat.decrypt_parts(payload.split(".")[1]) == ["d", "a run of a customer", "t", -1, compat.base_url()]
    assert vidu_emulator.counters.submissions == 1


def test_key_that_does_not_work_costs_no_submission(vidu_emulator, monkeypatch, submit):
    def broken():
        raise ValueError("Fernet key must be 32 url-safe base64-encoded bytes.")

    monkeypatch.setattr(compat, "_cipher", broken)
    assert submit("r")
