"""Datasets as uint8 arrays, label noise, and training batches made on the device or by a DataLoader."""

from dbviz.data.arrays import Images, ImageSet
from dbviz.data.datasets import DATASETS, load_images
from dbviz.data.device_batches import Batches, DeviceBatches, DeviceImages
from dbviz.data.label_files import labels_digest, read_labels
from dbviz.data.label_noise import mislabelled, noisy_labels, parse_noise
from dbviz.data.shapes import shapes
from dbviz.data.torch_loader import LoaderBatches, SeededSampler, seeded_loader

__all__ = [
    "DATASETS",
    "Batches",
    "DeviceBatches",
    "DeviceImages",
    "ImageSet",
    "Images",
    "LoaderBatches",
    "SeededSampler",
    "labels_digest",
    "load_images",
    "mislabelled",
    "noisy_labels",
    "parse_noise",
    "read_labels",
    "seeded_loader",
    "shapes",
]
