"""What a stage shows, computed from its networks in the archive alone: tables, figures and numbers."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optimizers
import pandas as pd
import sources
import xarray as xr

from campaign_parts.stages import OPTIMIZERS, StageOptions, design_of
from dbviz.audits import SourcesDesign
from dbviz.cli.comparison import print_summary
from dbviz.cli.options import NetworkOptions, RecipeOptions
from dbviz.core.files import atomic_write
from dbviz.core.results import write_result
from dbviz.core.terminal import print_table, say
from dbviz.data import Images
from dbviz.figures import plot_cells, plot_sweep, save_figure
from dbviz.label_maps import environment_differences
from dbviz.label_maps.archive import NOT_TRAINED_ON, predictions
from dbviz.reports.provenance import label_map_fields
from dbviz.reports.sources import share_rows, sources_csv, sources_fields, sources_rows, verdicts
from dbviz.reports.summary import write_summary
from dbviz.reports.sweep import sweep_csv, sweep_rows
from dbviz.reports.tables import estimate_fields, frame_rows
from dbviz.runs.training_run import training_images
from dbviz.scores import (
    Estimate,
    analyse_sources,
    error_rate,
    fragmentation,
    image_scores,
    reproducibility,
    runs_by_network,
    summarise,
)
from dbviz.spec import RunSpec
from dbviz.sweeps import Curve, Point, interpolation_threshold

__all__ = ["StageResults"]

_TOLERANCE = 0.01
"""Training error up to which a network counts as having fitted its labels, as in `python -m dbviz.sweep`."""


@dataclass(frozen=True, kw_only=True)
class StageResults:
    """The networks of a stage that are in the archive, and where their scores are written."""

    options: StageOptions
    specs: Sequence[RunSpec]
    """Of `maps`, in its order."""
    maps: xr.Dataset
    images: Images
    archive: Path
    out: Path
    figure_format: str

    def write(self) -> list[Path]:
        """Prints and writes the results of the stage; returns the paths."""
        by_stage: dict[str, Callable[[], list[Path]]] = {
            "double_descent": self._double_descent,
            "optimizers": self._optimizers,
            "sources": self._sources,
        }
        return [*self._networks(), *by_stage.get(self.options.stage, self._summary)()]

    def _networks(self) -> list[Path]:
        """A row for each network; the environments that they were trained and sampled in."""
        table = network_table(self.maps, self.images)
        path = self._path("networks.csv")
        atomic_write(path, table.to_csv(index_label="network").encode())
        numbers = {
            "networks": table.to_dict(orient="index"),
            "environments": json.loads(self.maps.attrs["environments"]),
            "environment_differences": environment_differences(self.maps),
            **label_map_fields(self.maps, self.archive),
        }
        return [path, write_result(self._path("networks.json"), numbers)]

    def _summary(self) -> list[Path]:
        if len(self.specs) < 2:
            say("One network: there is nothing to compare it with yet.")
            return []
        summary = summarise(self.maps).with_scores(image_scores_in(self.maps, self.images))
        print_summary(self.maps, summary)
        style = {"figure_format": self.figure_format, "label_maps": self.archive}
        return write_summary(self._path("scores"), self.maps, summary, **style)

    def _optimizers(self) -> list[Path]:
        if len(self.specs) < 2:
            return self._summary()
        written = self._summary()
        summary = summarise(self.maps).with_scores(image_scores_in(self.maps, self.images))
        options = optimizers.Options(
            networks=NetworkOptions(arch=self.options.archs), recipe=RecipeOptions(optimizer=OPTIMIZERS)
        )
        table = optimizers.beside_published(options, summary)
        print_table("Table 1", ["", *table.columns], frame_rows(table))
        written.append(self._path("table.csv"))
        atomic_write(written[-1], table.to_csv().encode())
        return written

    def _double_descent(self) -> list[Path]:
        curves = width_curves(self.specs, self.maps, self.images)
        columns, rows = sweep_rows(curves)
        print_table("resnet18k, 95 % intervals over runs and planes or images", columns, rows)
        for curve in curves:
            where = "not reached" if curve.threshold is None else f"{curve.threshold:g}"
            say(f"Interpolation threshold of {curve.name}: {where}")
        numbers = {"curves": [curve_fields(curve) for curve in curves], "tolerance": _TOLERANCE}
        written = [write_result(self._path("curves.json"), numbers | label_map_fields(self.maps, self.archive))]
        written.append(self._path("curves.csv"))
        atomic_write(written[-1], sweep_csv(curves).encode())
        figure = plot_sweep(curves, title=f"resnet18k on {self.images.name}, preset {self.options.preset}")
        return [*written, save_figure(figure, self._path(f"curves.{self.figure_format}"))]

    def _sources(self) -> list[Path]:
        cells = complete_cells(design_of(self.options, self.images), self.specs)
        if not cells:
            say("No source has all of its runs yet.")
            return []
        analysis = analyse_sources(predictions(self.maps), self.images.test.labels, self.maps.labels.values, cells)
        print_table("Runs that differ in the named source, 95 % intervals", *sources_rows(analysis))
        columns, rows = share_rows(analysis)
        if rows:
            print_table("Shares of the variance when all vary", columns, rows)
            say("\n".join(verdicts(analysis)))
            table = sources.beside_published(analysis)
            print_table("Beside published values", ["", *table.columns], frame_rows(table))
        numbers = sources_fields(analysis) | label_map_fields(self.maps, self.archive)
        written = [write_result(self._path("analysis.json"), numbers)]
        written.append(self._path("analysis.csv"))
        atomic_write(written[-1], sources_csv(analysis).encode())
        figure = plot_cells(analysis.scores, title=f"{self.images.name}, {self.options.archs[0]}")
        return [*written, save_figure(figure, self._path(f"analysis.{self.figure_format}"))]

    def _path(self, ending: str) -> Path:
        return self.out / self.options.stage / f"{self.options.stage}-{ending}"


def network_table(maps: xr.Dataset, images: Images) -> pd.DataFrame:
    """Accuracy, errors and times of each network."""
    correct = predictions(maps) == images.test.labels
    trained_on = maps.train_wrong.values != NOT_TRAINED_ON
    wrong = (maps.train_wrong.values == 1).sum(axis=1) / trained_on.sum(axis=1)
    return pd.DataFrame(
        {
            "test_accuracy": correct.mean(axis=1),
            "training_error": wrong,
            "training_seconds": maps.training.sel(metric="seconds").sum("epoch").values,
            "sampling_seconds": maps.sampling_seconds.values,
        },
        index=maps.model.values,
    )


def image_scores_in(maps: xr.Dataset, images: Images) -> dict[str, dict[str, Estimate]]:
    """Test accuracy, churn and divergence of each network, from the logits in an archive."""
    scores: dict[str, dict[str, Estimate]] = {}
    for network, runs in runs_by_network(maps).items():
        logits = maps.logits.values[runs].astype(np.float32)
        for score, estimate in image_scores(logits, images.test.labels).items():
            scores.setdefault(score, {})[network] = estimate
    return scores


def width_curves(specs: Sequence[RunSpec], maps: xr.Dataset, images: Images) -> list[Curve]:
    """The scores against width, a curve for each label noise, as `dbviz.sweeps.make_curves` computes them."""
    curves = []
    for noise in dict.fromkeys(spec.label_noise for spec in specs):
        by_width: dict[int, list[int]] = {}
        for position, spec in enumerate(specs):
            if spec.label_noise == noise:
                by_width.setdefault(spec.width or 0, []).append(position)
        points = tuple(
            Point(x=float(width), runs=len(runs), scores=point_scores(specs, maps, images, runs))
            for width, runs in sorted(by_width.items())
        )
        name = f"noise {0 if noise is None else noise}"
        threshold = interpolation_threshold(points, _TOLERANCE)
        curves.append(Curve(name=name, noise=noise, along="width", points=points, threshold=threshold))
    return curves


def point_scores(
    specs: Sequence[RunSpec], maps: xr.Dataset, images: Images, runs: Sequence[int]
) -> dict[str, Estimate]:
    """The scores of the runs at these positions, which differ in their seeds alone."""
    of_runs = maps.isel(model=list(runs))
    count = len(images.train.first(specs[runs[0]].train_size))
    wrong = of_runs.train_wrong.values[:, :count] == 1
    scores = {
        "test_error": error_rate(predictions(of_runs) != images.test.labels),
        "train_error": error_rate(wrong, item="training images"),
    }
    if specs[runs[0]].label_noise is not None:
        labels = np.stack([training_images(specs[run], images, Path()).labels for run in runs])
        changed = labels != images.train.labels[:count]
        scores["train_error_clean"] = error_rate(wrong, ~changed, item="training images")
        scores["train_error_mislabelled"] = error_rate(wrong, changed, item="training images")
    (scores["fragmentation"],) = fragmentation(of_runs).values()
    if len(runs) > 1:
        scores["reproducibility"] = reproducibility(of_runs)
    return scores


def curve_fields(curve: Curve) -> dict[str, Any]:
    """A curve as JSON values; `dbviz.sweeps.load` reads it back."""
    points = [
        {"x": point.x, "runs": point.runs} | {score: estimate_fields(e) for score, e in point.scores.items()}
        for point in curve.points
    ]
    noise = None if curve.noise is None else {"kind": curve.noise.kind, "rate": curve.noise.rate}
    return {"name": curve.name, "along": "width", "noise": noise, "threshold": curve.threshold, "points": points}


def complete_cells(design: SourcesDesign, specs: Sequence[RunSpec]) -> dict[tuple[str, ...], np.ndarray]:
    """The positions in `specs` of the runs of each cell that has all of them."""
    position = {spec: number for number, spec in enumerate(specs)}
    return {
        cell: np.array([position[run] for run in runs])
        for cell, runs in design.cells.items()
        if all(run in position for run in runs)
    }
