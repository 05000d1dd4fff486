"""Datasets as arrays, triplets of images, and batches that live on the device."""

from dbviz.images.arrays import Images, ImageSet
from dbviz.images.batches import Batches, DeviceBatches
from dbviz.images.datasets import DATASETS, load_images
from dbviz.images.label_files import labels_digest, read_labels
from dbviz.images.loader import LoaderBatches, SeededSampler, seeded_loader
from dbviz.images.noise import mislabelled, noisy_labels, parse_noise
from dbviz.images.shapes import shapes
from dbviz.images.triplets import check_triplets, draw_triplets

__all__ = [
    "DATASETS",
    "Batches",
    "DeviceBatches",
    "ImageSet",
    "Images",
    "LoaderBatches",
    "SeededSampler",
    "check_triplets",
    "draw_triplets",
    "labels_digest",
    "load_images",
    "mislabelled",
    "noisy_labels",
    "parse_noise",
    "read_labels",
    "seeded_loader",
    "shapes",
]
