"""Datasets as arrays, triplets of images, and batches that live on the device."""

from dbviz.images.arrays import Images, ImageSet
from dbviz.images.batches import Batches, DeviceBatches
from dbviz.images.datasets import DATASETS, load_images
from dbviz.images.loader import LoaderBatches
from dbviz.images.shapes import shapes
from dbviz.images.triplets import check_triplets, draw_triplets

__all__ = [
    "DATASETS",
    "Batches",
    "DeviceBatches",
    "ImageSet",
    "Images",
    "LoaderBatches",
    "check_triplets",
    "draw_triplets",
    "load_images",
    "shapes",
]
