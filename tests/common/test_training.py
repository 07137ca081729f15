"""The order of the images: whole epochs, resumable anywhere, the same whatever the start; and the loop of a training."""

from argparse import Namespace

import torch
from torch.utils.data import default_collate

from common.training import ShuffledBatches, iterate


def test_a_process_may_go_on_with_an_empty_share(tmp_path):
    class Loader:
        dataset = {(0, 0): {"image": torch.ones(3), "index": 0}}
        collate_fn = staticmethod(default_collate)

        def __iter__(self):
            return iter([None, {"image": torch.ones(2, 3), "index": torch.tensor([0, 0])}])

    model, sizes = torch.nn.Linear(3, 1), []

    def step(iteration, batch):
        sizes.append(len(batch["image"]))
        return model(batch["image"]).sum()

    args = Namespace(out=tmp_path, save_minutes=10, save_every=None)
    iterate(args, model, torch.optim.SGD(model.parameters(), 0.1), Loader(), step, total=12, start=10)
    assert sizes == [0, 2]


def test_every_epoch_is_a_permutation():
    batches = list(ShuffledBatches(7, 3, 6, seed=1, whole_epochs=True))
    assert [len(batch) for batch in batches] == [3, 3, 1, 3, 3, 1]
    first = [index for batch in batches[:3] for _, index in batch]
    second = [index for batch in batches[3:] for _, index in batch]
    assert sorted(first) == sorted(second) == list(range(7))
    assert first != second
    assert [position for batch in batches for position, _ in batch] == list(range(14))


def test_batches_are_full_across_epochs():
    batches = list(ShuffledBatches(7, 5, 7, seed=1))
    assert all(len(batch) == 5 for batch in batches)
    indices = [index for batch in batches for _, index in batch]
    for epoch in range(5):
        assert sorted(indices[7 * epoch : 7 * epoch + 7]) == list(range(7))


def test_a_start_in_the_middle_goes_on_as_before():
    for whole_epochs in (True, False):
        everything = list(ShuffledBatches(7, 3, 20, seed=4, whole_epochs=whole_epochs))
        assert list(ShuffledBatches(7, 3, 20, seed=4, start=11, whole_epochs=whole_epochs)) == everything[11:]


def test_small_data_sets_fill_large_batches():
    (batch,) = ShuffledBatches(2, 5, 1, seed=0)
    assert len(batch) == 5


def test_seeds_differ():
    assert list(ShuffledBatches(9, 9, 1, seed=0)) != list(ShuffledBatches(9, 9, 1, seed=1))
