"""Seeds keep together with their crops; what labels become in a crop is compared in tests/wiring."""

import torch

from common.files.dataset import DataSet
from common.training.crops import SeedCrops, TrainingCrops


def test_seeds_are_taken_below_and_right_of_the_middle(tiny_data):
    dataset, labels = DataSet(tiny_data), tiny_data / "SegmentationClass"
    whole, seeds = (
        kind(dataset, dataset.split("train"), labels, 40, [1], 0, **more)
        for kind, more in ((TrainingCrops, {}), (SeedCrops, {"stride": 4}))
    )
    for position in range(4):
        expected, found = whole[(position, position)], seeds[(position, position)]
        assert found["label"].shape == (10, 10) and torch.equal(found["label"], expected["label"][2::4, 2::4])
        assert torch.equal(found["image"], expected["image"])
