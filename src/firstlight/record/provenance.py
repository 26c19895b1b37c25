"""Where a record comes from: versions, machine, seed, hashes of the data, duration."""

import os
import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from firstlight import __version__

LIBRARIES = (
    "numpy",
    "scipy",
    "scikit-learn",
    "numba",
    "llvmlite",
    "torch",
    "safetensors",
    "matplotlib",
)


def cores() -> int:
    """Return the number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def _versions() -> dict[str, str]:
    found = {"firstlight": __version__, "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _processor() -> str:
    """Return the processor's own name; Linux keeps it in /proc, other systems in ``platform``."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _device_name(device: str) -> str:
    """Return the accelerator's own name; torch is imported only where it was used anyway."""
    if not device.startswith("cuda"):
        return device
    import torch

    return f"{device} ({torch.cuda.get_device_name(device)})"


def _revision() -> str | None:
    """Return the git revision where the package runs from a checkout, else None."""
    root = Path(__file__).resolve().parents[3]
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def collect(
    *,
    seed: int,
    started: float,
    device: str = "cpu",
    data: Mapping[str, str] | None = None,
    work: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Return the provenance of a run that ends now.

    Args:
        seed: the run's seed.
        started: ``time.perf_counter()`` when the run began.
        device: torch's name of the device.
        data: file name → sha256 of every data file read.
        work: what was computed, part by part: its label, how many trials, their summed seconds,
            and in how many processes or threads.
    """
    return {
        "versions": _versions(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": cores(),
        "work": [dict(part) for part in work],
        "device": _device_name(device),
        "seed": seed,
        "data_sha256": dict(data or {}),
        "revision": _revision(),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "trials_s": round(sum(part["seconds"] for part in work), 3),
        "duration_s": round(time.perf_counter() - started, 3),
    }
