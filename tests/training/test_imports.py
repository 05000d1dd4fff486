"""What training does not import: torch's compiler and torchvision, which take seconds."""

import subprocess
import sys
import textwrap


def printed_by(code: str) -> str:
    """The output of a fresh Python process."""
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_training_does_not_import_the_compiler():
    code = """
        import sys
        from dbviz.data import Images, shapes
        from dbviz.runs import fit

        images = Images(train=shapes(32), test=shapes(8, split="test"))
        options = {"epochs": 1, "train_size": 32, "device": "cpu", "preset": "quick", "progress": False, "home": "runs"}
        networks = {
            "fcnet": {"width": 16},
            "vit": {"width": 8, "precision": "fp32"},
            "resnet18k": {"width": 1, "optimizer": "sam"},
            "random_features": {"width": 16},
        }
        for arch, changes in networks.items():
            (run,) = fit(arch, dataset=images, **options, **changes)
            run.model()(images.test.normalized([0]))
        print([name for name in ("torchvision", "torch._dynamo", "torch._inductor") if name in sys.modules])
    """
    assert printed_by(code) == "[]"


def test_a_compiler_that_is_imported_later_is_deterministic_within_the_block():
    code = """
        import torch
        from dbviz.training.device import deterministic_algorithms

        with deterministic_algorithms():
            import torch._inductor.config as compiler
            print(compiler.deterministic, torch.are_deterministic_algorithms_enabled())
        print(compiler.deterministic, torch.are_deterministic_algorithms_enabled())
        with deterministic_algorithms():
            print(compiler.deterministic)
    """
    assert printed_by(code).splitlines() == ["True True", "False False", "True"]
