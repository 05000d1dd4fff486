"""Traces: the first difference of two, worked by hand, and which operations a recorder attributes to which module."""

import pytest
import torch
from torch import Tensor, nn

from dbviz.audits.recording import Difference, Event, Recorder, first_difference


def tensor(what: str, digest: bytes = b"0", step: int = 1) -> Event:
    return Event(step, "tensor", what, "", digest)


def operation(name: str, digest: bytes = b"0", step: int = 1) -> Event:
    return Event(step, "operation", name, "forward of 0 (Linear)", digest)


def test_equal_traces_have_no_difference():
    trace = [tensor("input images"), operation("aten.addmm.default"), tensor("loss")]
    assert first_difference(trace, list(trace)) is None
    assert first_difference([], []) is None


def test_the_first_differing_tensor_is_named_with_the_first_differing_operation_before_it():
    first = [tensor("input images"), operation("aten.a"), operation("aten.b"), operation("aten.c"), tensor("loss")]
    second = [first[0], first[1], operation("aten.b", b"1"), operation("aten.c", b"1"), tensor("loss", b"1")]
    later = [tensor("loss", b"2", step=2)]
    assert first_difference([*first, tensor("loss", step=2)], second + later) == Difference(
        step=1, tensor="loss", operation="aten.b", where="forward of 0 (Linear)"
    )


def test_a_difference_has_the_step_of_its_tensor():
    first, second = ([tensor("loss"), tensor("weight a", digest, step=2)] for digest in (b"0", b"1"))
    difference = first_difference(first, second)
    assert difference == Difference(step=2, tensor="weight a", operation=None, where=None)
    assert str(difference) == "first difference in step 2: weight a"


def test_an_operation_after_the_tensor_or_alone_explains_nothing():
    first = [tensor("loss"), operation("aten.x", b"1")]
    assert first_difference(first, [tensor("loss"), operation("aten.x", b"2")]) is None
    difference = first_difference(first, [tensor("loss", b"1"), operation("aten.x", b"2")])
    assert difference is not None
    assert (difference.tensor, difference.operation) == ("loss", None)


@pytest.mark.parametrize("swap", [False, True])
def test_a_trace_that_stops_early_differs_in_the_first_tensor_that_it_lacks(swap):
    traces = [[tensor("loss"), tensor("weight a"), tensor("weight b")], [tensor("loss")]]
    difference = first_difference(*(reversed(traces) if swap else traces))
    assert difference is not None
    assert difference.tensor == "weight a"


def test_operations_that_write_no_values_are_not_recorded():
    class Filling(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + torch.empty(144).view(1, 144).fill_(1.0)

    model, x = Filling(), torch.zeros(2, 144)
    recorder = Recorder(model, operations=True)
    with recorder.watching():
        model(x)
    assert [event.what for event in recorder.events] == ["aten.fill_.Scalar", "aten.add.Tensor"]


def test_forward_and_backward_operations_name_their_module_and_gradients_are_recorded():
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh())
    recorder = Recorder(model, operations=True)
    with recorder.watching():
        recorder.begin_step(4)
        x = torch.ones(1, 2) * 2
        recorder.begin_loss()
        model(x).sum().backward()
        with torch.no_grad():
            model[0].bias.add_(1.0)  # pyright: ignore[reportArgumentType, reportCallIssue]
    assert {event.step for event in recorder.events} == {4}
    where = {event.what: event.where for event in recorder.events if event.kind == "operation"}
    assert where["aten.ones.default"] == "making of the batch"
    assert where["aten.addmm.default"] == "forward of 0 (Linear)"
    assert where["aten.sum.default"] == "loss"
    assert where["aten.tanh_backward.default"] == "backward of 1 (Tanh) (TanhBackward0)"
    assert where["aten.add_.Tensor"] == "optimizer's step"
    watched = {event.what for event in recorder.events if event.kind == "tensor"}
    assert watched == {"gradient of 0.weight", "gradient of 0.bias"}


def test_nothing_is_recorded_after_the_block():
    model = nn.Linear(2, 1)
    recorder = Recorder(model, operations=True)
    with recorder.watching():
        pass
    model(torch.ones(1, 2)).sum().backward()
    assert recorder.events == []
