"""How many threads torch computes with, in one thread of the program and in no other."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import torch

_ONE_AT_A_TIME = threading.Lock()


def use_threads(count: int) -> None:
    """From here on torch computes with `count` threads in the thread that calls this; the others keep theirs.

    `torch.set_num_threads` sets the number of its own thread and, beside it, that of all threads which have
    not computed yet. So a thread that has none asks for the latter first, and puts it back at once.
    """
    torch.get_num_threads()  # a thread takes the usual number when first asked; later it would undo this
    with _ONE_AT_A_TIME, ThreadPoolExecutor(1) as another:
        usual = another.submit(torch.get_num_threads).result()
        torch.set_num_threads(count)
        another.submit(torch.set_num_threads, usual).result()
