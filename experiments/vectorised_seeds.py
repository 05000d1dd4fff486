"""Eight seeds of one small network in one vectorised step (torch.func.vmap) against eight steps one after the other.

Why dbviz trains many small networks in processes side by side (`python -m dbviz.bench seeds`) and not in one vectorised
loop: on a CPU vmap gains at the smallest width alone, and loses at larger ones, where it makes grouped convolutions of
those of eight networks. Batches, loss and optimizer are the same in both ways; fp32, since in torch 2.15 autocast fails
within vmap. On a GPU not measured. One minute on two cores.

    python experiments/vectorised_seeds.py --out experiments/results/vectorised_seeds.json
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
import tyro
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap

from dbviz.benchmarks.measuring import steady_seconds
from dbviz.core.results import write_result
from dbviz.core.terminal import print_table, say
from dbviz.models import build
from dbviz.training import choose_device


@dataclass(frozen=True, kw_only=True)
class Options:
    """Times one step of several seeds of resnet18k, vectorised and not."""

    widths: tuple[int, ...] = (1, 4, 8)
    seeds: int = 8
    batch_size: int = 128
    device: str = "auto"
    out: Path = Path("experiments/results/vectorised_seeds.json")


def one_after_the_other(networks: list[nn.Module], images: Tensor, labels: Tensor) -> Callable[[], None]:
    """A step of every network."""
    optimizers = [torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9) for network in networks]

    def step() -> None:
        for network, optimizer, x, y in zip(networks, optimizers, images, labels, strict=True):
            optimizer.zero_grad()
            F.cross_entropy(network(x), y).backward()
            optimizer.step()

    return step


def vectorised(networks: list[nn.Module], images: Tensor, labels: Tensor) -> Callable[[], None]:
    """The same step of all networks at once."""
    parameters, buffers = stack_module_state(networks)
    bare = copy.deepcopy(networks[0]).to("meta")
    optimizer = torch.optim.SGD(parameters.values(), lr=0.1, momentum=0.9)

    def loss(weights: Any, state: Any, x: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(bare, (weights, state), (x,)), y)

    def step() -> None:
        gradients = vmap(grad(loss))(parameters, buffers, images, labels)
        for name, parameter in parameters.items():
            parameter.grad = gradients[name]
        optimizer.step()

    return step


def main(options: Options) -> None:
    device = choose_device(options.device)
    found = []
    for width in options.widths:
        networks = [build("resnet18k", 10, width, seed).to(device) for seed in range(options.seeds)]
        images = torch.randn(options.seeds, options.batch_size, 3, 32, 32, device=device)
        labels = torch.randint(0, 10, (options.seeds, options.batch_size), device=device)
        apart = steady_seconds(one_after_the_other(copy.deepcopy(networks), images, labels), device, repeats=3)
        together = steady_seconds(vectorised(networks, images, labels), device, repeats=3)
        found.append({"width": width, "one after the other": apart, "vectorised": together, "gain": apart / together})
    rows = [
        [str(one["width"]), *(f"{one[way]:.2f} s" for way in list(one)[1:3]), f"{one['gain']:.2f} x"] for one in found
    ]
    title = f"A step of {options.seeds} seeds of resnet18k, batches of {options.batch_size}, on {device}"
    print_table(title, ["width", "one after the other", "vectorised", "gain"], rows)
    say(f"Written:\n  {write_result(options.out, {'steps': found, 'seeds': options.seeds}, device=device)}")


if __name__ == "__main__":
    main(tyro.cli(Options))
