import numpy as np
import pytest

from lossforge.data.digits import load_digit_data
from lossforge.errors import RecipeError


def labels(dataset):
    return np.concatenate([y for _, y in dataset.as_numpy_iterator()])


def test_splits_share_no_picture_and_hold_every_class():
    data = load_digit_data(examples=790, batch_size=1)
    splits = [
        {x.tobytes() for batch, _ in split.as_numpy_iterator() for x in batch}
        for split in (data.train, data.validation, data.test)
    ]
    assert not splits[0] & splits[1] and not splits[1] & splits[2] and not splits[0] & splits[2]
    assert all(set(labels(split)) == set(range(10)) for split in (data.validation, data.test))


def test_that_share_of_labels_is_wrong_and_the_test_split_stays_right():
    clean, noisy = (load_digit_data(3, examples=500, noise=n, batch_size=1) for n in (0.0, 0.4))
    right = {x.tobytes(): y for x, y in clean.train.unbatch().as_numpy_iterator()}
    wrong = [right[x.tobytes()] != y for x, y in noisy.train.unbatch().as_numpy_iterator()]
    assert np.mean(wrong) == pytest.approx(0.4)
    assert (labels(clean.test) == labels(noisy.test)).all()


def test_classes_fall_from_60_to_2():
    data = load_digit_data(tail=30.0, examples=600)
    assert data.class_counts[0] == 60 and data.class_counts[-1] == 2
    assert list(data.class_counts) == sorted(data.class_counts, reverse=True)


def test_a_number_out_of_range_is_named():
    with pytest.raises(RecipeError, match="noise must be from 0 to 0.9, got 1.5"):
        load_digit_data(noise=1.5)
