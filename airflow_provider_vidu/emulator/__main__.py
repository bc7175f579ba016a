# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""``python -m airflow_provider_vidu.emulator``: a local Vidu on the command line."""

from __future__ import annotations

import argparse
import asyncio
import shlex
import signal
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from airflow_provider_vidu.emulator.machine.emulated_task import Change
from airflow_provider_vidu.emulator.machine.settings import Settings
from airflow_provider_vidu.emulator.running import ViduEmulator


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until Ctrl-C or SIGTERM, and return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        asyncio.run(_serve(options))
    except KeyboardInterrupt:
        pass
    except (OSError, ValueError) as error:
        print(f"The emulator cannot start: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_vidu.emulator",
        description="A local Vidu: speaks Vidu's API offline and answers with videos that play.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8765, help="port to listen on; 0 = a free one")
    parser.add_argument("--speed", type=float, default=10.0, help="how many times faster than Vidu")
    parser.add_argument(
        "--concurrency", type=int, default=Settings.concurrency, help="tasks in processing at once; others queue"
    )
    parser.add_argument("--seed", type=int, default=Settings.seed, help="seed of everything that is random")
    parser.add_argument("--credits", type=int, default=Settings.credits, help="credits at the start")
    parser.add_argument(
        "--api-key",
        action="append",
        metavar="KEY",
        help="a key to accept, may be repeated; without it every key is accepted",
    )
    parser.add_argument(
        "--processing-seconds",
        type=float,
        metavar="SECONDS",
        help="real seconds of every processing; by default by model, duration and resolution, divided by the speed",
    )
    parser.add_argument(
        "--off-peak-seconds",
        type=float,
        default=Settings.off_peak_seconds,
        metavar="SECONDS",
        help="how long an off-peak task queues, divided by the speed",
    )
    parser.add_argument("--reject-unknown-fields", action="store_true", help="refuse them with FieldUnwanted")
    parser.add_argument("--allow-remote-callbacks", action="store_true", help="call other machines back too")
    parser.add_argument("--ready-file", type=Path, metavar="PATH", help="write the URL here once it listens")
    return parser


async def _serve(options: argparse.Namespace) -> None:
    emulator = ViduEmulator(
        host=options.host,
        port=options.port,
        speed=options.speed,
        concurrency=options.concurrency,
        seed=options.seed,
        api_keys=options.api_key,
        credits=options.credits,
        processing_seconds=options.processing_seconds,
        off_peak_seconds=options.off_peak_seconds,
        reject_unknown_fields=options.reject_unknown_fields,
        allow_remote_callbacks=options.allow_remote_callbacks,
        on_change=_print_change,
    )
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
        except NotImplementedError:  # Windows: Ctrl-C arrives as KeyboardInterrupt
            break
    async with emulator as vidu:
        print(_banner(vidu, options), flush=True)
        if options.ready_file:
            # In one step, so that no reader sees half a URL.
            unfinished = options.ready_file.with_name(f"{options.ready_file.name}.unfinished")
            unfinished.write_text(vidu.url)
            unfinished.replace(options.ready_file)
        await stopping.wait()
    print("Stopped.", flush=True)


def _banner(vidu: ViduEmulator, options: argparse.Namespace) -> str:
    accepted = f"{len(options.api_key)} API key(s) accepted" if options.api_key else "every API key accepted"
    return f"""\
A local Vidu listens on {vidu.url} ({options.speed:g} times faster than Vidu, {options.concurrency} tasks at once,
{options.credits} credits, {accepted}).

  airflow connections add vidu_default --conn-json {shlex.quote(vidu.connection_json())}

Inspect it: {vidu.url}/emulator/ (counters, ledger, tasks, faults). Stop with Ctrl-C.
"""


def _print_change(change: Change) -> None:
    task = change.task
    request = task.request
    moment = datetime.fromtimestamp(change.at).strftime("%H:%M:%S")
    state = f"{change.previous} → {task.state}" if change.previous else str(task.state)
    what = f"{request.model or request.endpoint.name} {request.effective_duration} s {request.effective_resolution}"
    off_peak = " off-peak" if request.off_peak else ""
    error = f"  {task.err_code}" if task.err_code else ""
    print(f"{moment}  {task.task_id}  {state:<24} {what}{off_peak}, {task.credits} credits{error}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
