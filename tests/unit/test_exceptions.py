# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A failure as the person on call reads it, in a log that cuts long lines and repeats each cause."""

from __future__ import annotations

import logging
import traceback

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_vidu.api.errors import (
    Fate,
    ViduConfigurationError,
    ViduError,
    ViduInputError,
    ViduUnavailableError,
)
from airflow_provider_vidu.exceptions import lines_of, raise_for_airflow
from airflow_provider_vidu.execution.sensing import SensorExecution
from airflow_provider_vidu.sensors.task import ViduTaskSensor
from airflow_provider_vidu.submission.airflow_try import Try

ADOPT = Try(identity=("d", "it's", "t", 3)).write_command("vidu_submission", {"task_id": "900001"})
CLEAR = Try(identity=("d", "it's", "t", 3)).clear_command()


@pytest.mark.parametrize(
    ("error", "lines"),
    [
        (ViduError("It broke.", advice=""), ["It broke."]),
        (
            ViduError("It broke. The disk is full.", advice="Free some space. Then retry.", task_id="9", reason="R"),
            ["It broke (Vidu task 9, reason R).", "The disk is full.", "Free some space. Then retry."],
        ),
        (
            ViduError("It costs more, e.g. 80 vs. Vidu's 55. Ask for less.", advice=""),
            ["It costs more, e.g. 80 vs. Vidu's 55.", "Ask for less."],
        ),
        (
            ViduInputError("2 of 3 are wrong.\nitem 0: duration: 99\nitem 2: model: x", advice="Nothing sent."),
            ["2 of 3 are wrong.", "item 0: duration: 99", "item 2: model: x", "Nothing sent."],
        ),
        (
            ViduError(
                "In doubt.", advice=f"If it is yours: {ADOPT} ; if not, nothing. Then: {ADOPT} . Clear: {CLEAR} (a)"
            ),
            ["In doubt.", "If it is yours:", ADOPT, "if not, nothing. Then:", ADOPT, "Clear:", CLEAR, "(a)"],
        ),
    ],
    ids=["one sentence", "details", "an abbreviation", "an item a line", "a command a line"],
)
def test_each_sentence_is_logged_on_its_own_line(error, lines):
    assert lines_of(error) == lines


def test_details_are_logged_before_the_exception_is_raised(caplog):
    with caplog.at_level(logging.ERROR), pytest.raises(AirflowFailException) as raised:
        raise_for_airflow(ViduError("It broke. The disk is full.", advice=f"Run: {ADOPT}"))
    assert [record.getMessage() for record in caplog.records] == ["It broke.", "The disk is full.", "Run:", ADOPT]
    # A callback or an alert gets only the exception.
    assert ADOPT in str(raised.value)
    assert str(raised.value).startswith("It broke. ")


@pytest.mark.parametrize("fate", [Fate.PERMANENT, Fate.RETRYABLE])
@pytest.mark.parametrize(
    "raise_", [raise_for_airflow, SensorExecution(ViduTaskSensor(task_id="t", vidu_task="1")).fail_or_skip]
)
def test_a_failure_has_one_traceback(fate, raise_):
    def fail():
        try:
            raise ConnectionError("no route to host")
        except ConnectionError as cause:
            try:
                raise ViduUnavailableError("Vidu could not be reached (no route to host).", fate=fate) from cause
            except ViduError as error:
                raise_(error)

    with pytest.raises(Exception, match="no route to host") as raised:
        fail()
    shown = "".join(traceback.format_exception(raised.type, raised.value, raised.tb))
    assert shown.count("Traceback") == 1


def test_facts_are_in_parentheses_without_markup():
    text = str(ViduConfigurationError("It redirects.", http_status=302, task_id="9"))
    assert not set("[]") & set(text)
    assert "Admin" in text


def test_record_can_be_written_in_ui_or_shell():
    text = Try(identity=("d", "r", "t", -1)).adopt_by_hand("vidu_submission", "900001")
    # The names that Airflow 3.3's UI has.
    for word in ("Storage", "Task State Store", "vidu_submission", '{"task_id": "900001"}', "curl -X PUT"):
        assert word in text
