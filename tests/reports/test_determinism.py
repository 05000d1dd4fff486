"""The report of a determinism audit: a row a setting, a row an operation, and sentences."""

import csv
import io
import json

import pytest
import torch
from torch import nn

from dbviz.audits import DeterminismAudit, determinism
from dbviz.reports.determinism import (
    conclusions,
    determinism_csv,
    determinism_fields,
    determinism_latex,
    determinism_rows,
    operation_rows,
)

IMAGES, LABELS = torch.randn(8, 3, 4, 4, generator=torch.Generator().manual_seed(0)), torch.arange(8) % 2


def make_model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(8, 2))


class RandomInEvaluation(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = make_model()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.dropout(self.body(x))


@pytest.fixture(scope="module")
def audit() -> DeterminismAudit:
    return determinism(make_model, lambda: [(IMAGES, LABELS)] * 2, IMAGES, steps=2, vary=["bf16"])


def test_rows_have_a_setting_each(audit):
    heading, rows = determinism_rows(audit)
    assert [row[0] for row in rows] == ["nothing", "bf16"]
    assert rows[0][1:] == ["", "", "yes", "0", "0", "0", "0", "0.0%"]
    effect = audit.varied[1]
    assert rows[1][:5] == ["bf16", "fp32", "bf16", "no", f"{effect.weights:.1e}"]
    assert {len(row) for row in rows} == {len(heading)}


def test_operations_name_where_they_are_used(audit):
    heading, rows = operation_rows(audit)
    assert len(heading) == 4
    assert any(row[0].startswith("aten.convolution") and row[2] == "become deterministic" for row in rows)


def test_fields_are_json_and_state_whether_the_training_repeats(audit):
    fields = json.loads(json.dumps(determinism_fields(audit)))
    assert (fields["repeats"], fields["steps"], fields["varied"][1]["same_bits"]) == (True, 2, False)


def test_conclusions_name_what_is_random(audit):
    assert conclusions(audit) == [
        "every batch, loss, gradient, weight and buffer of two trainings is bitwise identical."
    ]
    torch.manual_seed(0)
    random = determinism(RandomInEvaluation, lambda: [(IMAGES, LABELS)], IMAGES, steps=1, vary=[])
    assert any(line.startswith("random in evaluation mode") for line in conclusions(random))


def test_csv_and_latex_have_the_rows_of_the_table(audit):
    rows = list(csv.DictReader(io.StringIO(determinism_csv(audit))))
    assert [(row["setting"], row["same_bits"]) for row in rows] == [("nothing", "True"), ("bf16", "False")]
    latex = determinism_latex(audit, "5 steps, 50 % of labels")
    assert r"\caption{5 steps, 50 \% of labels}" in latex
    assert r"bf16 & fp32 & bf16 & no & " in latex
