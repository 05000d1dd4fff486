"""Planted faults are named by step, tensor, operation and module; a training without any is equal to the bit."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from dbviz.audits import DeterminismAudit, Settings, determinism
from dbviz.audits.recording import Event, Recorder, first_difference
from dbviz.audits.settings import SETTINGS, applied, missing_for, varied
from dbviz.core.errors import InputError
from dbviz.models import build
from dbviz.spec import Recipe, Setting

CPU = torch.device("cpu")
IMAGES = torch.randn(24, 3, 8, 8, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(24) % 3
_counter = count(1)


def tiny() -> float:
    """Another number at every call."""
    return next(_counter) * 1e-3


class NoisyForward(torch.autograd.Function):
    """x, and a number that depends on how often it was called."""

    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:
        return x + tiny()

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        return gradient


class NoisyBackward(torch.autograd.Function):
    """x, with such a number in its gradient."""

    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        return gradient.mul(1 + tiny())


class Noisy(nn.Module):
    """Applies one of them, from its `after`-th call in training on."""

    def __init__(self, function: Any, after: int = 1) -> None:
        super().__init__()
        self.function, self.left = function, after

    def forward(self, x: Tensor) -> Tensor:
        self.left -= self.training
        return self.function.apply(x) if self.left <= 0 and self.training else x


def network(*middle: nn.Module) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), *middle, nn.ReLU(inplace=True), nn.Linear(144, 3)
        )


def batches() -> list[tuple[Tensor, Tensor]]:
    return list(zip(IMAGES.split(8), LABELS.split(8), strict=True))


def audit(make_model: Callable[[], nn.Module], make_batches: Any = batches, **options: Any) -> DeterminismAudit:
    given: dict[str, Any] = {"vary": []} | options
    return determinism(make_model, make_batches, IMAGES[:6], **given)


def test_a_training_without_faults_is_equal_to_the_bit():
    found = audit(network)
    assert found.first is None
    assert found.random_in_evaluation is None
    assert found.repeats
    (nothing,) = found.varied
    assert (nothing.setting, nothing.same_bits, nothing.weights, nothing.labels_changed) == ("nothing", True, 0, 0)
    assert found.loader is None


@pytest.mark.parametrize("after", [1, 2])
def test_a_forward_that_differs_is_named_with_its_step_module_and_operation(after):
    found = audit(lambda: network(Noisy(NoisyForward, after)))
    assert found.first is not None
    assert (found.first.step, found.first.tensor) == (after, "loss")
    assert (found.first.operation, found.first.where) == ("aten.add.Tensor", "forward of 3 (Noisy)")
    assert not found.repeats
    assert str(found.first) == (
        f"first difference in step {after}: loss; the operation that differs is aten.add.Tensor in the "
        "forward of 3 (Noisy)"
    )
    assert found.varied[0].same_bits is False
    assert found.varied[0].weights


def test_a_backward_that_differs_is_named_although_loss_and_last_layer_are_equal():
    found = audit(lambda: network(Noisy(NoisyBackward)))
    assert found.first is not None
    # gradients are compared as they are ready, from the last layer on: that of 5.weight is still equal
    assert (found.first.step, found.first.tensor) == (1, "gradient of 1.weight")
    assert found.first.operation == "aten.mul.Tensor"
    assert found.first.where == "backward of 3 (Noisy) (NoisyBackwardBackward)"


def test_a_backward_in_front_of_a_layer_is_blamed_on_the_module_that_ran_it():
    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(144, 144)

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(NoisyBackward.apply(x))

    found = audit(lambda: network(Outer()))
    assert found.first is not None
    assert (found.first.tensor, found.first.where) == (
        "gradient of 1.weight",
        "backward of 3 (Outer) (NoisyBackwardBackward)",
    )


def test_operations_without_a_result_of_their_own_are_left_out():
    class Filling(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + torch.empty(144).view(1, 144).fill_(1.0)

    model, x = Filling(), torch.zeros(2, 144)
    recorder = Recorder(model, operations=True)
    with recorder.watching():
        model(x)
    assert [event.what for event in recorder.events] == ["aten.fill_.Scalar", "aten.add.Tensor"]


def test_unseeded_augmentation_is_named_as_the_batch():
    def augmented() -> Iterator[tuple[Tensor, Tensor]]:
        rng = np.random.default_rng()
        return ((x + float(rng.random()), y) for x, y in batches())

    found = audit(network, augmented)
    assert found.first is not None
    assert (found.first.step, found.first.tensor) == (1, "input images")


def test_labels_that_differ_are_named():
    def relabelled() -> Iterator[tuple[Tensor, Tensor]]:
        shift = next(_counter)
        return ((x, (y + shift) % 3) for x, y in batches())

    found = audit(network, relabelled)
    assert found.first is not None
    assert (found.first.step, found.first.tensor, found.first.where) == (1, "labels", "making of the batch")


def test_initial_weights_that_differ_are_named_before_the_first_step():
    def other_each_time() -> nn.Module:
        model = network()
        with torch.no_grad():
            model[4].bias.add_(tiny())  # pyright: ignore[reportIndexIssue, reportAttributeAccessIssue]
        return model

    found = audit(other_each_time)
    assert str(found.first) == "first difference before the first step: initial weight 4.bias"


def test_a_buffer_that_differs_is_named():
    class Counting(nn.Module):
        seen: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("seen", torch.zeros(1))

        def forward(self, x: Tensor) -> Tensor:
            self.seen.fill_(tiny())
            return x

    found = audit(lambda: network(Counting()))
    assert found.first is not None
    assert (found.first.step, found.first.tensor) == (1, "buffer 3.seen")
    assert (found.first.operation, found.first.where) == ("aten.fill_.Scalar", "forward of 3 (Counting)")


def test_an_optimizers_difference_is_not_blamed_on_the_network(monkeypatch):
    from dbviz.audits import training_setup as subject

    real = subject.make_optimizer

    def unsteady(*arguments: Any) -> torch.optim.Optimizer:
        optimizer = real(*arguments)
        weight = optimizer.param_groups[0]["params"][0]

        def shift(*_: Any) -> None:
            weight.data.add_(tiny())

        optimizer.register_step_post_hook(shift)
        return optimizer

    monkeypatch.setattr(subject, "make_optimizer", unsteady)
    found = audit(network)
    assert found.first is not None
    assert (found.first.tensor, found.first.where) == ("weight 0.weight", "optimizer's step")


def test_a_dropout_left_on_in_evaluation_is_found():
    class Dropping(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.dropout(x)

    found = audit(lambda: network(Dropping()))
    assert found.first is None  # the same stream in both trainings
    assert found.random_in_evaluation == "3 (Dropping)"
    assert not found.repeats


def test_dropout_in_training_is_the_same_twice():
    assert audit(lambda: network(nn.Dropout(0.5))).repeats


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "sam"])
def test_every_optimizer_can_be_audited(optimizer):
    found = audit(network, recipe=Recipe(epochs=1, learning_rate=0.01, optimizer=optimizer, clip_norm=1.0))
    assert found.repeats


def test_a_data_loader_and_a_repeated_pass_are_understood():
    def loader() -> DataLoader:
        return DataLoader(TensorDataset(IMAGES, LABELS), batch_size=8, shuffle=True)

    found = audit(network, loader, steps=5)
    assert found.steps == 5
    assert found.repeats


def test_operations_that_torch_documents_are_listed_with_where_they_ran():
    found = audit(lambda: nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(128, 3)))
    listed = {used.operation: used for used in found.nondeterministic}
    # the images need no gradient, so the padding's backward, which is the nondeterministic part, does not run
    assert set(listed) == {"aten.convolution.default", "aten.convolution_backward.default"}
    assert listed["aten.convolution.default"].where == ("forward of 1 (Conv2d)",)
    assert listed["aten.convolution_backward.default"].where == ("backward of 1 (Conv2d) (ConvolutionBackward0)",)
    padded = audit(lambda: nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReflectionPad2d(1), nn.Flatten(), nn.Linear(128, 3)))
    (pad,) = (used for used in padded.nondeterministic if "reflection" in used.operation)
    assert pad.operation == "aten.reflection_pad2d_backward.default"
    assert pad.documented is not None
    assert (pad.documented.when, pad.documented.then) == ("differentiated on CUDA", "error")


def test_what_torch_warns_of_is_collected_and_other_warnings_are_given_on():
    import warnings

    class Warning(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            if self.training:
                warnings.warn("made_up_cuda does not have a deterministic implementation, but", stacklevel=1)
                warnings.warn("something else", stacklevel=1)
            return x

    with pytest.warns(UserWarning, match="something else") as given:
        found = audit(lambda: network(Warning()))
    assert not any("deterministic" in str(each.message) for each in given)
    assert [used.operation for used in found.nondeterministic if used.documented is None] == ["made_up_cuda"]


# ---- settings


@pytest.mark.parametrize("setting", SETTINGS)
def test_each_setting_changes_itself_alone(setting: Setting):
    before = Settings(threads=1)
    after = varied(before, setting, CPU)
    changed = [name for name in SETTINGS if before.value(name, CPU) != after.value(name, CPU)]
    assert changed == [setting]
    assert varied(after, setting, CPU).value(setting, CPU) in (before.value(setting, CPU), "2")


def test_settings_hold_within_the_block_only():
    def now() -> list[Any]:
        cudnn: Any = torch.backends.cudnn
        return [
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
            cudnn.benchmark,
            cudnn.conv.fp32_precision,
            torch.get_num_threads(),
        ]

    before = now()
    with applied(Settings(cudnn_benchmark=True, tf32=True, threads=2)):
        assert now() == [True, True, True, "tf32", 2]
    with applied(Settings(deterministic=False)):
        assert now() == [False, False, False, "ieee", before[-1]]
    assert now() == before


@pytest.mark.parametrize(("setting", "lacks"), [("tf32", "needs CUDA"), ("cudnn-benchmark", "needs CUDA")])
def test_what_a_cpu_lacks_is_listed_and_refused_when_asked_for(setting, lacks):
    assert missing_for(setting, CPU) == lacks
    with pytest.raises(InputError, match=rf"needs CUDA, and the device is cpu: leave {setting} out$"):
        audit(network, vary=[setting])
    with pytest.raises(InputError, match="needs CUDA"):
        audit(network, settings=Settings(tf32=True))


def test_settings_are_varied_one_at_a_time():
    chosen: list[Setting] = ["bf16", "deterministic", "evaluation-batch", "threads"]
    found = audit(network, vary=chosen, steps=2)
    rows = {one.setting: one for one in found.varied}
    assert list(rows) == ["nothing", "bf16", "deterministic algorithms", "batch size of evaluation", "threads"]
    bf16 = rows["bf16"]
    assert (bf16.before, bf16.after, bf16.same_bits, bf16.lacks) == ("fp32", "bf16", False, None)
    assert 0 < (bf16.weights or 0) < 0.1
    assert rows["batch size of evaluation"].weights == 0
    assert (rows["threads"].before, rows["threads"].after) == (str(torch.get_num_threads()), rows["threads"].after)


def test_the_size_of_a_difference_is_the_one_worked_by_hand(monkeypatch):
    """One step of a linear layer from zeros, at another rate in the second training: weights are twice as large."""
    from dbviz.audits import training_setup as subject

    x, y = torch.ones(1, 1, 1, 2), torch.tensor([0])

    def zeros() -> nn.Module:
        linear = nn.Linear(2, 2, bias=False)
        nn.init.zeros_(linear.weight)
        return nn.Sequential(nn.Flatten(), linear)

    rates = iter([0.1, 0.2])
    real: Any = subject.training_step
    monkeypatch.setattr(subject, "training_step", lambda *a: real(*a[:-1], next(rates)))
    recipe = Recipe(epochs=1, learning_rate=1.0, momentum=0.0, weight_decay=0.0, schedule="constant")
    found = determinism(zeros, lambda: [(x, y)], -x, recipe=recipe, steps=1, vary=[])
    # gradient (p - one-hot) x^T = ((-.5, -.5), (.5, .5)); weights +-.05 and +-.1; logits of -x: -+.1 and -+.2
    (nothing,) = found.varied
    assert nothing.weights == pytest.approx(0.05)
    assert nothing.weights_relative == pytest.approx(1.0)
    assert nothing.logits == pytest.approx(0.1)
    assert nothing.logits_relative == pytest.approx(1.0)
    assert nothing.labels_changed == 0
    assert found.first is not None
    assert found.first.tensor == "weight 1.weight"


@pytest.mark.slow
def test_a_compiled_network_is_compared_with_itself_uncompiled():
    found = audit(network, vary=["compile"], steps=2)
    assert [one.setting for one in found.varied] == ["nothing", "torch.compile"]
    assert (found.varied[1].weights or 0) < 1e-5
    assert audit(network, settings=Settings(compiled=True), steps=2).first is None


def test_the_rate_is_the_one_of_the_whole_schedule(monkeypatch):
    from dbviz.audits import training_setup as subject

    rates: list[float] = []
    real: Any = subject.training_step

    def noting(*arguments: Any) -> Any:
        rates.append(arguments[-1])
        return real(*arguments)

    monkeypatch.setattr(subject, "training_step", noting)
    recipe = Recipe(epochs=1, learning_rate=1.0, schedule="steps")
    made: dict[str, Any] = {"recipe": recipe, "device": CPU, "images": IMAGES}
    of = subject.TrainingSetup(make_model=network, make_batches=batches, steps=3, of_steps=4, **made)
    subject.train_steps(of, Settings())
    assert rates == pytest.approx([1.0, 1.0, 0.1])  # at 0, 25 and 50 %


def test_registered_architectures_repeat(small_images):
    images = small_images.train.normalized(np.arange(8))
    labels = torch.from_numpy(small_images.train.labels[:8])
    found = determinism(lambda: build("vit", width=8), lambda: [(images, labels)], images, steps=2, vary=["bf16"])
    assert found.repeats
    assert found.nondeterministic == ()


# ---- what cannot be audited


@pytest.mark.parametrize("steps", [0, -1])
def test_fewer_than_one_step_is_refused(steps):
    with pytest.raises(InputError, match=rf"^steps is {steps}: an audit trains at least 1$"):
        audit(network, steps=steps)


def test_too_few_batches_are_said_to_be():
    with pytest.raises(InputError, match=r"^there are only 0 batches for 3 steps"):
        audit(network, list)
    with pytest.raises(InputError, match=r"^there are only 3 batches for 4 steps"):
        audit(network, lambda: iter(batches()), steps=4)


def test_a_closed_form_takes_no_steps():
    recipe = Recipe(
        epochs=1,
        learning_rate=1.0,
        optimizer="least-squares",
        augmentation="none",
        weight_decay=0.0,
        schedule="constant",
    )
    with pytest.raises(InputError, match="takes no steps"):
        audit(network, recipe=recipe)


def test_workers_are_varied_with_a_loader_only():
    with pytest.raises(InputError, match=r"give make_loader$"):
        audit(network, vary=["workers"])


# ---- traces


def event(what: str, digest: bytes = b"0", kind: Any = "tensor", step: int = 1) -> Event:
    return Event(step, kind, what, "somewhere" if kind == "operation" else "", digest)


def test_an_operation_behind_the_tensor_or_alone_explains_nothing():
    one = [event("loss"), event("aten.x", b"1", "operation")]
    assert first_difference(one, [event("loss"), event("aten.x", b"2", "operation")]) is None
    found = first_difference(one, [event("loss", b"1"), event("aten.x", b"2", "operation")])
    assert found is not None
    assert (found.tensor, found.operation) == ("loss", None)


def test_a_training_that_stops_early_differs():
    found = first_difference([event("loss"), event("weight a")], [event("loss")])
    assert found is not None
    assert found.tensor == "weight a"
