"""After which epochs of a training the network is tested: few enough that testing stays a small part of the work."""

__all__ = ["epochs_to_test"]

_TRAINING_PER_TESTS = 10
"""The work of the training is at least so many times that of all tests."""
_TRAINING_PER_TEST_IMAGE = 3
"""A training image, a forward and a backward pass, is about so many times the work of a test image, a forward pass."""


def epochs_to_test(epochs: int, train_images: int, test_images: int) -> tuple[int, ...]:
    """The epochs, counted from 1 and rising, after which a training of so many epochs is tested.

    As many as a tenth of the work of the training allows, always the last one. They form a geometric sequence, as far
    as whole numbers allow: test accuracy changes fastest in the first epochs, and figures of curves have a logarithmic
    axis.

    Args:
        epochs: of the whole training.
        train_images: images in an epoch.
        test_images: images in a test.

    Example:
        >>> epochs_to_test(5, train_images=50_000, test_images=10_000)
        (1, 2, 3, 4, 5)
        >>> epochs_to_test(100, train_images=2_000, test_images=10_000)
        (1, 3, 7, 17, 41, 100)
    """
    affordable = _TRAINING_PER_TEST_IMAGE * epochs * train_images // (_TRAINING_PER_TESTS * max(test_images, 1))
    count = min(max(affordable, 1), epochs)
    tested = [1] if count > 1 else []
    for remaining in range(count - 1, 0, -1):
        ratio = (epochs / tested[-1]) ** (1 / remaining)
        tested.append(max(tested[-1] + 1, round(tested[-1] * ratio)))
    return tuple(tested) or (epochs,)
