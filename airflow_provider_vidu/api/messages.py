# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What messages about many have in common."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

#: Items or tasks that a message names.
MAX_NAMED = 20
#: Characters of a prompt that a log line quotes.
MAX_PROMPT = 60


def some_of(named: Iterable[object]) -> str:
    """
    Return a few names for a message.

    :param named: any number; told as text.
    """
    names = [str(one) for one in named]
    return ", ".join(names[:MAX_NAMED]) + (" …" if len(names) > MAX_NAMED else "")


def name_of_picture(image: object) -> str:
    """
    Return what a person calls a picture: its file's name, without a folder, a connection or a signature.

    :param image: as the DAG author gave it, or a list of one; None = unknown.
    """
    first = next(iter(image), None) if isinstance(image, (list, tuple)) else image
    text = str(first or "").strip()
    if text[:5].lower() == "data:":
        return "a data URI"
    path = urlsplit(text).path if "://" in text else text
    return path.rstrip("/").rpartition("/")[2]


def first_words(text: object) -> str:
    """
    Return the beginning of a prompt on one line.

    :param text: the prompt; None and blanks give an empty text.
    """
    words = " ".join(str(text or "").split())
    return words if len(words) <= MAX_PROMPT else f"{words[:MAX_PROMPT].rsplit(' ', 1)[0]} …"


def what_was_asked(model: object, image: object, prompt: object) -> str:
    """
    Return a sentence that names a request among its siblings; empty where nothing of it is known.

    :param model: the model's name.
    :param image: as the DAG author gave it.
    :param prompt: the prompt.
    """
    known = {"model": str(model or ""), "picture": name_of_picture(image), "prompt": first_words(prompt)}
    named = ", ".join(f"{name} {value}" for name, value in known.items() if value)
    return f"{named[0].upper()}{named[1:]}." if named else ""
