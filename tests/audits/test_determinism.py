"""Planted faults are located by step, tensor, operation and module; a training without any is bitwise identical."""

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
from dbviz.audits.settings import SETTINGS, apply_settings, missing_requirement, with_changed
from dbviz.core.errors import InputError
from dbviz.models import build
from dbviz.spec import Recipe, Setting

CPU = torch.device("cpu")
IMAGES = torch.randn(24, 3, 8, 8, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(24) % 3
_counter = count(1)


def tiny() -> float:
    """A different number at every call."""
    return next(_counter) * 1e-3


class NoisyForward(torch.autograd.Function):
    """x plus a number that is different at every call."""

    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:
        return x + tiny()

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        return gradient


class NoisyBackward(torch.autograd.Function):
    """x, with such a factor in its gradient."""

    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        return gradient.mul(1 + tiny())


class Noisy(nn.Module):
    """Applies one of them from its `after`-th call in training mode on."""

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
    return determinism(make_model, make_batches, IMAGES[:6], **{"vary": [], **options})


def test_a_training_without_faults_is_bitwise_identical():
    audited = audit(network)
    assert audited.first is None
    assert audited.random_in_evaluation is None
    assert audited.training_repeats
    assert audited.repeats
    (nothing,) = audited.varied
    assert (nothing.setting, nothing.same_bits, nothing.weights, nothing.labels_changed) == ("nothing", True, 0, 0)
    assert audited.loader is None


@pytest.mark.parametrize("after", [1, 2])
def test_a_forward_that_differs_is_named_with_its_step_module_and_operation(after):
    audited = audit(lambda: network(Noisy(NoisyForward, after)))
    assert audited.first is not None
    assert (audited.first.step, audited.first.tensor) == (after, "loss")
    assert (audited.first.operation, audited.first.where) == ("aten.add.Tensor", "forward of 3 (Noisy)")
    assert not audited.training_repeats
    assert not audited.repeats
    assert str(audited.first) == (
        f"first difference in step {after}: loss; the operation that differs is aten.add.Tensor in the "
        "forward of 3 (Noisy)"
    )
    assert audited.varied[0].same_bits is False
    assert audited.varied[0].weights


def test_a_backward_that_differs_is_named_although_loss_and_last_layer_are_equal():
    audited = audit(lambda: network(Noisy(NoisyBackward)))
    assert audited.first is not None
    # gradients are compared as they are ready, from the last layer on: that of 5.weight is still equal
    assert (audited.first.step, audited.first.tensor) == (1, "gradient of 1.weight")
    assert audited.first.operation == "aten.mul.Tensor"
    assert audited.first.where == "backward of 3 (Noisy) (NoisyBackwardBackward)"


def test_a_backward_before_a_layer_is_attributed_to_the_module_that_ran_it():
    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(144, 144)

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(NoisyBackward.apply(x))

    audited = audit(lambda: network(Outer()))
    assert audited.first is not None
    assert (audited.first.tensor, audited.first.where) == (
        "gradient of 1.weight",
        "backward of 3 (Outer) (NoisyBackwardBackward)",
    )


def test_unseeded_augmentation_is_named_as_the_batch():
    def augmented() -> Iterator[tuple[Tensor, Tensor]]:
        rng = np.random.default_rng()
        return ((x + float(rng.random()), y) for x, y in batches())

    audited = audit(network, augmented)
    assert audited.first is not None
    assert (audited.first.step, audited.first.tensor) == (1, "input images")


def test_labels_that_differ_are_named():
    def relabelled() -> Iterator[tuple[Tensor, Tensor]]:
        shift = next(_counter)
        return ((x, (y + shift) % 3) for x, y in batches())

    audited = audit(network, relabelled)
    assert audited.first is not None
    assert (audited.first.step, audited.first.tensor, audited.first.where) == (1, "labels", "making of the batch")


def test_initial_weights_that_differ_are_named_before_the_first_step():
    def other_each_time() -> nn.Module:
        model = network()
        with torch.no_grad():
            model[4].bias.add_(tiny())  # pyright: ignore[reportIndexIssue, reportAttributeAccessIssue]
        return model

    audited = audit(other_each_time)
    assert str(audited.first) == "first difference before the first step: initial weight 4.bias"


def test_a_buffer_that_differs_is_named():
    class Counting(nn.Module):
        seen: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("seen", torch.zeros(1))

        def forward(self, x: Tensor) -> Tensor:
            self.seen.fill_(tiny())
            return x

    audited = audit(lambda: network(Counting()))
    assert audited.first is not None
    assert (audited.first.step, audited.first.tensor) == (1, "buffer 3.seen")
    assert (audited.first.operation, audited.first.where) == ("aten.fill_.Scalar", "forward of 3 (Counting)")


def test_an_optimizers_difference_is_not_attributed_to_the_network(monkeypatch):
    from dbviz.audits import training_setup

    real = training_setup.make_optimizer

    def unsteady(*arguments: Any) -> torch.optim.Optimizer:
        optimizer = real(*arguments)
        weight = optimizer.param_groups[0]["params"][0]

        def shift(*_: Any) -> None:
            weight.data.add_(tiny())

        optimizer.register_step_post_hook(shift)
        return optimizer

    monkeypatch.setattr(training_setup, "make_optimizer", unsteady)
    audited = audit(network)
    assert audited.first is not None
    assert (audited.first.tensor, audited.first.where) == ("weight 0.weight", "optimizer's step")


def test_a_dropout_left_on_in_evaluation_is_found():
    class Dropping(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.dropout(x)

    audited = audit(lambda: network(Dropping()))
    assert audited.first is None  # the same stream in both trainings
    assert audited.random_in_evaluation == "3 (Dropping)"
    assert audited.training_repeats
    assert not audited.repeats


def test_dropout_in_training_repeats():
    assert audit(lambda: network(nn.Dropout(0.5))).repeats


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "sam"])
def test_every_optimizer_can_be_audited(optimizer):
    audited = audit(network, recipe=Recipe(epochs=1, learning_rate=0.01, optimizer=optimizer, clip_norm=1.0))
    assert audited.repeats


def test_batches_may_come_from_a_data_loader_in_several_passes():
    def loader() -> DataLoader:
        return DataLoader(TensorDataset(IMAGES, LABELS), batch_size=8, shuffle=True)

    audited = audit(network, loader, steps=5)
    assert audited.steps == 5
    assert audited.repeats


def test_operations_that_torch_documents_are_listed_with_where_they_ran():
    audited = audit(lambda: nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(128, 3)))
    listed = {used.operation: used for used in audited.nondeterministic}
    # the images need no gradient, so the padding's backward, which is the nondeterministic part, does not run
    assert set(listed) == {"aten.convolution.default", "aten.convolution_backward.default"}
    assert listed["aten.convolution.default"].where == ("forward of 1 (Conv2d)",)
    assert listed["aten.convolution_backward.default"].where == ("backward of 1 (Conv2d) (ConvolutionBackward0)",)
    padded = audit(lambda: nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReflectionPad2d(1), nn.Flatten(), nn.Linear(128, 3)))
    (pad,) = (used for used in padded.nondeterministic if "reflection" in used.operation)
    assert pad.operation == "aten.reflection_pad2d_backward.default"
    assert pad.documented is not None
    assert (pad.documented.when, pad.documented.then) == ("differentiated on CUDA", "error")


def test_torchs_warnings_are_collected_and_other_warnings_are_issued_again():
    import warnings

    class Warning(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            if self.training:
                warnings.warn("made_up_cuda does not have a deterministic implementation, but", stacklevel=1)
                warnings.warn("something else", stacklevel=1)
            return x

    with pytest.warns(UserWarning, match="something else") as issued:
        audited = audit(lambda: network(Warning()))
    assert not any("deterministic" in str(warning.message) for warning in issued)
    assert [used.operation for used in audited.nondeterministic if used.documented is None] == ["made_up_cuda"]


# ---- settings


@pytest.mark.parametrize("setting", SETTINGS)
def test_each_setting_changes_itself_alone(setting: Setting):
    before = Settings(threads=1)
    after = with_changed(before, setting, CPU)
    changed = [name for name in SETTINGS if before.value(name, CPU) != after.value(name, CPU)]
    assert changed == [setting]
    assert with_changed(after, setting, CPU).value(setting, CPU) in (before.value(setting, CPU), "2")


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
    with apply_settings(Settings(cudnn_benchmark=True, tf32=True, threads=2)):
        assert now() == [True, True, True, "tf32", 2]
    with apply_settings(Settings(deterministic=False)):
        assert now() == [False, False, False, "ieee", before[-1]]
    assert now() == before


@pytest.mark.parametrize(("setting", "lacks"), [("tf32", "needs CUDA"), ("cudnn-benchmark", "needs CUDA")])
def test_what_a_cpu_lacks_is_refused_when_requested(setting, lacks):
    assert missing_requirement(setting, CPU) == lacks
    with pytest.raises(InputError, match=rf"needs CUDA, and the device is cpu: leave {setting} out$"):
        audit(network, vary=[setting])
    with pytest.raises(InputError, match="needs CUDA"):
        audit(network, settings=Settings(tf32=True))


def test_settings_are_varied_one_at_a_time():
    chosen: list[Setting] = ["bf16", "deterministic", "evaluation-batch", "threads"]
    audited = audit(network, vary=chosen, steps=2)
    rows = {effect.setting: effect for effect in audited.varied}
    assert list(rows) == ["nothing", "bf16", "deterministic algorithms", "batch size of evaluation", "threads"]
    bf16 = rows["bf16"]
    assert (bf16.before, bf16.after, bf16.same_bits, bf16.lacks) == ("fp32", "bf16", False, None)
    assert 0 < (bf16.weights or 0) < 0.1
    assert rows["batch size of evaluation"].weights == 0
    assert (rows["threads"].before, rows["threads"].after) == (str(torch.get_num_threads()), rows["threads"].after)


def test_the_size_of_a_difference_is_the_one_worked_by_hand(monkeypatch):
    """One step of a linear layer from zeros, at another rate in the second training: weights are twice as large."""
    from dbviz.audits import training_setup

    x, y = torch.ones(1, 1, 1, 2), torch.tensor([0])

    def zeros() -> nn.Module:
        linear = nn.Linear(2, 2, bias=False)
        nn.init.zeros_(linear.weight)
        return nn.Sequential(nn.Flatten(), linear)

    rates = iter([0.1, 0.2])
    real: Any = training_setup.training_step
    monkeypatch.setattr(training_setup, "training_step", lambda *a: real(*a[:-1], next(rates)))
    recipe = Recipe(epochs=1, learning_rate=1.0, momentum=0.0, weight_decay=0.0, schedule="constant")
    audited = determinism(zeros, lambda: [(x, y)], -x, recipe=recipe, steps=1, vary=[])
    # gradient (p - one-hot) x^T = ((-.5, -.5), (.5, .5)); weights +-.05 and +-.1; logits of -x: -+.1 and -+.2
    (nothing,) = audited.varied
    assert nothing.weights == pytest.approx(0.05)
    assert nothing.weights_relative == pytest.approx(1.0)
    assert nothing.logits == pytest.approx(0.1)
    assert nothing.logits_relative == pytest.approx(1.0)
    assert nothing.labels_changed == 0
    assert audited.first is not None
    assert audited.first.tensor == "weight 1.weight"


@pytest.mark.slow
def test_a_compiled_network_is_compared_with_itself_uncompiled():
    audited = audit(network, vary=["compile"], steps=2)
    assert [effect.setting for effect in audited.varied] == ["nothing", "torch.compile"]
    assert (audited.varied[1].weights or 0) < 1e-5
    assert audit(network, settings=Settings(compiled=True), steps=2).first is None


def test_the_rate_is_the_one_of_the_whole_schedule(monkeypatch):
    from dbviz.audits import training_setup

    rates: list[float] = []
    real: Any = training_setup.training_step

    def recording(*arguments: Any) -> Any:
        rates.append(arguments[-1])
        return real(*arguments)

    monkeypatch.setattr(training_setup, "training_step", recording)
    recipe = Recipe(epochs=1, learning_rate=1.0, schedule="steps")
    made: dict[str, Any] = {"recipe": recipe, "device": CPU, "images": IMAGES}
    setup = training_setup.TrainingSetup(make_model=network, make_batches=batches, steps=3, schedule_steps=4, **made)
    training_setup.train_steps(setup, Settings())
    assert rates == pytest.approx([1.0, 1.0, 0.1])  # at 0, 25 and 50 %


def test_registered_architectures_repeat(small_images):
    images = small_images.train.normalized(np.arange(4))
    labels = torch.from_numpy(small_images.train.labels[:4])
    audited = determinism(lambda: build("vit", width=8), lambda: [(images, labels)], images, steps=1, vary=[])
    assert audited.repeats
    assert audited.nondeterministic == ()


# ---- what cannot be audited


@pytest.mark.parametrize("steps", [0, -1])
def test_fewer_than_one_step_is_refused(steps):
    with pytest.raises(InputError, match=rf"^steps is {steps}: an audit trains at least 1$"):
        audit(network, steps=steps)


def test_too_few_batches_are_refused():
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
