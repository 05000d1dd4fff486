"""Eight seeds of one small network in one vectorised step (torch.func.vmap) against eight steps one after the other.

Why dbviz trains many small networks in parallel processes (`python -m dbviz.bench seeds`) and not in one vectorised
loop: on a CPU vmap is faster at the smallest width only, and slower at larger ones, where it turns the convolutions of
eight networks into grouped ones. Batches, loss and optimizer are the same in both ways; fp32, since in torch 2.15
autocast fails within vmap.

Hardware:  AMD EPYC, 2 cores, two threads; not measured on a GPU.
Time:      One minute on two cores.
Result:    A step of eight seeds of resnet18k, batches of 128, is 2.4 times faster at width 1, equal at 4 (1.02 times),
           and 2.2 times slower at 8.
Files:     experiments/results/vectorised_seeds/

    python experiments/performance/vectorised_seeds.py
"""

import copy
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap

from dbviz.benchmarks.measuring import steady_seconds
from dbviz.cli.console import run_command
from dbviz.core.results import write_result
from dbviz.core.terminal import print_table, say
from dbviz.models import build
from dbviz.training import choose_device


@dataclass(frozen=True, kw_only=True)
class Options:
    """Times one step of several seeds of resnet18k, vectorised and not."""

    widths: tuple[int, ...] = (1, 4, 8)
    """Widths of resnet18k."""
    seeds: int = 8
    """The number of networks."""
    batch_size: int = 128
    """Images in the batch of each network."""
    device: str = "auto"
    """auto, cpu, cuda, or cuda:N."""
    out: Path = Path("experiments/results/vectorised_seeds/vectorised_seeds.json")
    """Where the numbers are written, as JSON."""


def one_after_the_other(networks: list[nn.Module], images: Tensor, labels: Tensor) -> Callable[[], None]:
    """A step of every network, one after the other."""
    optimizers = [torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9) for network in networks]

    def step() -> None:
        for network, optimizer, x, y in zip(networks, optimizers, images, labels, strict=True):
            optimizer.zero_grad()
            F.cross_entropy(network(x), y).backward()
            optimizer.step()

    return step


def vectorised(networks: list[nn.Module], images: Tensor, labels: Tensor) -> Callable[[], None]:
    """The same step of all networks at once, vectorised."""
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
    steps = []
    for width in options.widths:
        networks = [build("resnet18k", 10, width, seed).to(device) for seed in range(options.seeds)]
        images = torch.randn(options.seeds, options.batch_size, 3, 32, 32, device=device)
        labels = torch.randint(0, 10, (options.seeds, options.batch_size), device=device)
        sequential = steady_seconds(one_after_the_other(copy.deepcopy(networks), images, labels), device, repeats=3)
        vmapped = steady_seconds(vectorised(networks, images, labels), device, repeats=3)
        seconds = {"one after the other": sequential, "vectorised": vmapped}
        steps.append({"width": width, **seconds, "gain": sequential / vmapped})
    rows = [
        [str(step["width"]), *(f"{step[way]:.2f} s" for way in list(step)[1:3]), f"{step['gain']:.2f} x"]
        for step in steps
    ]
    title = f"A step of {options.seeds} seeds of resnet18k, batches of {options.batch_size}, on {device}"
    print_table(title, ["width", "one after the other", "vectorised", "gain"], rows)
    say(f"Written:\n  {write_result(options.out, {'steps': steps, 'seeds': options.seeds}, device=device)}")


if __name__ == "__main__":
    sys.exit(run_command("python experiments/performance/vectorised_seeds.py", Options, main))
