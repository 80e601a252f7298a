"""Batch order: one order of samples for any number of processes, parts and interruptions."""

import pytest

from scripts.data.sampling.batch_sampler import GlobalBatchSampler


def test_batch_k_is_samples_k_times_batch_onwards():
    assert list(GlobalBatchSampler(batch=4, iterations=3)) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


def test_two_processes_with_half_the_batch_get_what_one_gets():
    one = list(GlobalBatchSampler(128, iterations=5))
    first, second = (list(GlobalBatchSampler(128, iterations=5, rank=rank, world=2)) for rank in (0, 1))
    assert all(len(batch) == 64 for batch in first + second)
    assert [a + b for a, b in zip(first, second, strict=True)] == one


def test_accumulated_parts_make_up_the_share_of_a_process():
    one = list(GlobalBatchSampler(12, iterations=2))
    shares = [list(GlobalBatchSampler(12, iterations=2, rank=rank, world=2, accumulation=3)) for rank in (0, 1)]
    assert [len(share) for share in shares] == [6, 6]
    assert shares[1][:3] == [[6, 7], [8, 9], [10, 11]]
    for k in (0, 1):
        assert [i for share in shares for part in share[3 * k : 3 * k + 3] for i in part] == one[k]


@pytest.mark.parametrize("accumulation", [1, 2])
def test_a_resumed_run_continues_where_it_stopped(accumulation):
    whole = list(GlobalBatchSampler(8, iterations=6, rank=1, world=2, accumulation=accumulation))
    resumed = GlobalBatchSampler(8, iterations=6, rank=1, world=2, accumulation=accumulation, start=4)
    assert list(resumed) == whole[4 * accumulation :]
    assert len(resumed) == 2 * accumulation


def test_start_may_be_set_until_iteration_begins():
    batches = GlobalBatchSampler(2, iterations=3)
    batches.start = 2
    assert list(batches) == [[4, 5]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"batch": 128, "world": 3},
            "by 3 processes x accumulation 1; the nearest batch that is: 129",
        ),
        (
            {"batch": 128, "world": 2, "accumulation": 3},
            "128 is not divisible by 2 processes x accumulation 3; the nearest batch that is: 126",
        ),
        ({"batch": 0}, "batch=0 must be at least 1"),
        ({"batch": 4, "accumulation": 0}, "accumulation=0 must be at least 1"),
        ({"batch": 4, "rank": 2, "world": 2}, "rank 2 is not one of 0 to 1"),
        ({"batch": 4, "start": 11}, "start=11 is not within the run of 10 iterations"),
    ],
)
def test_impossible_orders_are_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        GlobalBatchSampler(iterations=10, **arguments)
