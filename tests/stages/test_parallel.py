"""stages.parallel: every item once, in order, whatever is sent to a process at once; a generator is not run ahead."""

import time
from functools import partial

import pytest

from stages import interruption
from stages.files import InputError
from stages.parallel import MemoryLimit, _chunks, cores, machine_memory, map_each, spare_memory


def negative(number):
    time.sleep(0.002 * (number % 3))  # so that the processes overtake each other
    if number == 77:
        raise InputError("77: not a number")
    return -number


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("count", [0, 1, 70])
def test_results_are_in_order(workers, count):
    expected = [-number for number in range(count)]
    assert list(map_each(negative, list(range(count)), workers, "test")) == expected
    assert list(map_each(negative, (number for number in range(count)), workers, "test", count)) == expected


@pytest.mark.parametrize("workers", [1, 2])
def test_exceptions_are_raised_here(workers):
    with pytest.raises(InputError, match="77: not a number"):
        list(map_each(negative, list(range(200)), workers, "test"))


def test_generators_are_a_few_items_ahead():
    drawn = []
    items = (drawn.append(number) or number for number in range(70))
    for done, _ in enumerate(map_each(negative, items, 2, "test", 70), start=1):
        assert len(drawn) <= done + 8


def meet(place, most, number):
    """Waits until `most` work at the same time, if they have not yet; returns how many do, itself among them."""
    mine, met = place / f"{number}.txt", place / "met"
    mine.touch()
    hanging = time.monotonic() + 3600
    while not met.exists() and time.monotonic() < hanging:
        if len(list(place.glob("*.txt"))) >= most:
            met.touch()
        time.sleep(0.01)
    time.sleep(0.1)  # one more than may be has time to come
    found = len(list(place.glob("*.txt")))
    mine.unlink()
    return found


@pytest.mark.parametrize(("limit", "most", "kind"), [(0.5, 1, iter), (2.5, 2, list), (2.5, 2, iter), (100, 3, list)])
def test_as_many_work_at_once_as_fit_into_the_memory(tmp_path, kind, limit, most):
    work = partial(meet, tmp_path, most)
    found = list(map_each(work, kind(range(9)), 3, "test", 9, MemoryLimit(limit, lambda number: 1)))
    assert len(found) == 9 and max(found) == most


def test_the_largest_of_what_is_sent_at_once_counts(tmp_path):
    chunks = list(_chunks(range(36), 2))
    assert {len(chunk) for chunk in chunks} == {3}
    memory = MemoryLimit(3, lambda number: 3 if number % 3 == 1 else 1)
    assert max(map_each(partial(meet, tmp_path, 1), range(36), 2, "test", memory=memory)) == 1


def test_processes_of_other_ranks_take_their_share(tmp_path, monkeypatch):
    monkeypatch.setattr("stages.distributed.LOCAL_WORLD_SIZE", 2)
    found = map_each(partial(meet, tmp_path, 1), iter(range(6)), 3, "test", 6, MemoryLimit(2, lambda number: 1))
    assert max(found) == 1


def test_an_exception_does_not_wait_for_the_others_where_memory_is_short():
    drawn = []
    items = (drawn.append(number) or number for number in range(77, 177))
    with pytest.raises(InputError, match="77: not a number"):
        list(map_each(negative, items, 4, "test", 100, MemoryLimit(1, lambda number: 1)))
    assert len(drawn) <= 4  # without memory, 17


@pytest.fixture
def within(tmp_path, monkeypatch):
    """`within(own, limits)`: this process is in the control group `own`, and these files have limits."""
    monkeypatch.setattr("stages.parallel.CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr("stages.parallel.OWN_CGROUP", tmp_path / "own")

    def within(own, limits):
        (tmp_path / "own").write_text(own)
        for name, limit in limits.items():
            (tmp_path / "cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "cgroup" / name).write_text(f"{limit}\n")

    return within


@pytest.mark.parametrize(
    ("own", "limits", "found"),
    [
        ("0::/", {"memory.max": 2**28}, 2**28),  # a container
        ("0::/", {"memory.max": "max"}, None),
        ("0::/job/step", {"job/memory.max": 2**28, "job/step/memory.max": "max"}, 2**28),  # a batch job's
        ("0::/job/step", {"memory.max": 2**29, "job/step/memory.max": 2**28, "other/memory.max": 2**20}, 2**28),
        ("3:cpu,memory:/job", {"memory/job/memory.limit_in_bytes": 2**28}, 2**28),  # version 1
        ("3:cpu:/job\n4:memory:/", {"memory/memory.limit_in_bytes": 2**63 - 4096, "cpu/memory.max": 2**28}, None),
        ("", {"memory.max": 2**28}, None),
    ],
)
def test_the_limit_of_a_container_or_a_job_counts(within, own, limits, found):
    within(own, {})
    whole = machine_memory()
    assert whole > 2**28
    within(own, limits)
    assert machine_memory() == (found or whole)


@pytest.mark.parametrize(
    ("own", "limits", "found"),
    [
        ("0::/", {"cpu.max": "250000 100000"}, 3),  # two cores and a half
        ("0::/pod", {"cpu.max": "max 100000", "pod/cpu.max": "400000 100000"}, 4),
        ("3:cpu,cpuacct:/", {"cpu/cpu.cfs_quota_us": 50000, "cpu/cpu.cfs_period_us": 100000}, 1),  # version 1
        ("3:cpu,cpuacct:/", {"cpu/cpu.cfs_quota_us": -1, "cpu/cpu.cfs_period_us": 100000}, 8),
        ("0::/", {"cpu.max": "max 100000"}, 8),
    ],
)
def test_a_quota_of_cores_counts(within, monkeypatch, own, limits, found):
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(8)))
    within(own, limits)
    assert cores() == found


@pytest.mark.parametrize(
    ("free", "limit", "processes", "found"),
    [(2**18, 2**40, 1, 2**26), (2**18, 2**26, 1, 2**24), (2**18, 2**40, 4, 2**24), ("?", 2**40, 1, 0)],
)
def test_what_is_kept_takes_a_quarter_of_the_memory(tmp_path, monkeypatch, free, limit, processes, found):
    """Of what is free on the machine or of what the job may have, shared by the machine's processes."""
    (tmp_path / "meminfo").write_text(f"MemTotal: 99 kB\nMemFree: 9 kB\nMemAvailable:   {free} kB\nBuffers: 1 kB\n")
    monkeypatch.setattr("stages.parallel.MEMORY", tmp_path / "meminfo")
    monkeypatch.setattr("stages.parallel.machine_memory", lambda: limit)
    monkeypatch.setattr("stages.distributed.LOCAL_WORLD_SIZE", processes)
    assert spare_memory() == found


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_loaders_process_lives_as_long_as_its_parent(method):
    import torch  # here, so that the processes of the other tests start without it
    from torch.utils.data import DataLoader, TensorDataset

    data = TensorDataset(torch.arange(3))
    options = {"multiprocessing_context": method, "worker_init_fn": interruption.start_worker, "prefetch_factor": 1}
    found = []
    for (number,) in DataLoader(data, 1, num_workers=1, **options):
        found.append(int(number))
        time.sleep(0.7)  # the process looks after its parent in between
    assert found == [0, 1, 2]
