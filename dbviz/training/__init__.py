"""Training: presets, the training loop, optimizers and objectives, devices and determinism, evaluation."""

from dbviz.training.device import choose_device, default_precision
from dbviz.training.evaluation import accuracy, logits
from dbviz.training.loop import Checkpoint, EpochMetrics, train
from dbviz.training.presets import PRESETS, Preset, preset_spec
from dbviz.training.schedule import tested_epochs

__all__ = [
    "PRESETS",
    "Checkpoint",
    "EpochMetrics",
    "Preset",
    "accuracy",
    "choose_device",
    "default_precision",
    "logits",
    "preset_spec",
    "tested_epochs",
    "train",
]
