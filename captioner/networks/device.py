"""Where the model runs and in which precision."""

from __future__ import annotations

import contextlib
import os
from functools import cache

import torch

from captioner.errors import ModelError


def choose_device(name: str | None = None) -> torch.device:
    """The device named, or CUDA where it is present, or the CPU. Raises ModelError.

    Of the processes that torchrun starts on a machine each takes a GPU of its own; other launchers show each
    process its own GPU alone.
    """
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and "LOCAL_RANK" in os.environ and torch.cuda.device_count() > 1:
        name = f"cuda:{os.environ['LOCAL_RANK']}"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ModelError(f"unknown device {name!r}; use cpu, cuda or cuda:N") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ModelError(f"{name}: there is no such GPU here; use the device cpu")
    try:
        torch.ones(1, device=device).item()
    except Exception:  # every backend that is not there has an error of its own
        raise ModelError(f"{name}: nothing can be computed on it here; use the device cpu") from None
    return device


def lower_precision(device: torch.device) -> contextlib.AbstractContextManager[object]:
    """bfloat16 where the hardware computes in it (twice as fast here); float32 elsewhere."""
    if device.type == "cuda":
        with torch.cuda.device(device):  # of which the next line asks
            computes = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.autocast("cuda", dtype=torch.bfloat16, enabled=computes)
    if device.type == "cpu":
        return torch.autocast("cpu", dtype=torch.bfloat16, enabled=cpu_has_bfloat16())
    return contextlib.nullcontext()


@cache
def cpu_has_bfloat16() -> bool:
    """AVX-512 BF16 or AMX. Without them bfloat16 is emulated, and slower than float32."""
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
