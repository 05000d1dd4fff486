"""Training: presets, the training loop, optimizers and objectives, devices and determinism, evaluation."""

from dbviz.training.device import choose_device, default_precision
from dbviz.training.evaluation import accuracy, logits
from dbviz.training.loop import Checkpoint, EpochMetrics, train
from dbviz.training.presets import PRESETS, Preset, preset_spec
from dbviz.training.schedule import epochs_to_test

__all__ = [
    "PRESETS",
    "Checkpoint",
    "EpochMetrics",
    "Preset",
    "accuracy",
    "choose_device",
    "default_precision",
    "epochs_to_test",
    "logits",
    "preset_spec",
    "train",
]
