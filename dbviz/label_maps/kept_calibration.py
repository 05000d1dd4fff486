"""The calibration of a run's network, kept in the run's directory: `calibration.json`.

An entry holds for one set of weights on one machine, and for one kind of grid: everything that the choice of a form
depends on is in its key. Where the file cannot be read or written, calibration is measured anew.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

import dbviz
from dbviz.core.files import atomic_write
from dbviz.runs import Run

__all__ = ["Calibration", "CalibrationFile", "calibration_file"]


@dataclass(frozen=True)
class Calibration:
    """The form that was chosen for a network, and its error."""

    how: str
    """`plain` where no form saves time."""
    offset: tuple[float, ...]
    error_bound: float
    seconds: float
    """Expected for a point, re-evaluations included."""


@dataclass(frozen=True)
class CalibrationFile:
    """The entry of a file at a key."""

    path: Path
    key: str

    def read(self) -> Calibration | None:
        """The entry; None where there is none, or none that can be read."""
        entry = self._entries().get(self.key)
        try:
            return None if entry is None else Calibration(**{**entry, "offset": tuple(entry["offset"])})
        except (TypeError, KeyError, AttributeError):
            return None

    def write(self, calibration: Calibration | None) -> None:
        """Replaces the entry, or removes it; nothing happens where the file cannot be written."""
        entries = {**self._entries(), self.key: None if calibration is None else asdict(calibration)}
        text = json.dumps({key: entry for key, entry in entries.items() if entry is not None}, indent=1)
        try:
            atomic_write(self.path, text.encode())
        except OSError:  # such as an archive that is mounted read-only
            return

    def _entries(self) -> dict[str, Any]:
        try:
            entries = json.loads(self.path.read_bytes())
        except (OSError, ValueError):
            return {}
        return entries if isinstance(entries, dict) else {}


def calibration_file(run: Run, device: torch.device, batch: int, share: float) -> CalibrationFile:
    """Where the calibration of a run's network on a device is kept."""
    parts = {
        "weights": run.fingerprint,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else _processor(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "batch": batch,
        "share": share,
        "dbviz": dbviz.__version__,
    }
    return CalibrationFile(run.directory / "calibration.json", json.dumps(parts, sort_keys=True))


def _processor() -> str:
    return f"{torch.cpu.get_capabilities().get('cpu_name', '')} {torch.backends.cpu.get_cpu_capability()}"
