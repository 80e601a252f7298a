"""Which samples make up which batch: the same ones however many processes, workers or interruptions share the work."""

from collections.abc import Iterator

from torch.utils.data import Sampler


class GlobalBatchSampler(Sampler[list[int]]):
    """Batch sampler in which global batch k is always samples k * batch to (k + 1) * batch - 1.

    Each process takes its own contiguous share of every global batch and hands it out in `accumulation` parts, one
    after the other. With `CropDataset`, whose sample i is fixed, two processes with 64 samples each see what one sees
    with 128.

    Args:
        batch: samples of one optimizer step, over all processes and accumulated parts.
        iterations: optimizer steps of the whole run, those before `start` included.
        rank: number of this process.
        world: number of processes.
        accumulation: parts in which a process takes its share of a global batch.
        start: optimizer steps already done, where a resumed run continues; may be set until iteration begins.

    Raises:
        ValueError: a batch that does not divide evenly, a rank outside the world, or a start outside the run.

    Example:
        >>> list(GlobalBatchSampler(batch=4, iterations=2, rank=1, world=2))
        [[2, 3], [6, 7]]
    """

    def __init__(
        self, batch: int, iterations: int, rank: int = 0, world: int = 1, accumulation: int = 1, start: int = 0
    ) -> None:
        for name, value in (("batch", batch), ("world", world), ("accumulation", accumulation)):
            if value < 1:
                raise ValueError(f"{name}={value} must be at least 1")
        if batch % (world * accumulation):
            raise ValueError(
                f"batch {batch} is not divisible by {world} processes x accumulation {accumulation}; the nearest batch "
                f"that is: {max(1, round(batch / (world * accumulation))) * world * accumulation}"
            )
        if not 0 <= rank < world:
            raise ValueError(f"rank {rank} is not one of 0 to {world - 1}, as there are {world} processes")
        if not 0 <= start <= iterations:
            raise ValueError(f"start={start} is not within the run of {iterations} iterations")
        self.batch, self.iterations = batch, iterations
        self.rank, self.world, self.accumulation = rank, world, accumulation
        self.start = start

    @property
    def part(self) -> int:
        """Samples in one batch that this sampler hands out."""
        return self.batch // (self.world * self.accumulation)

    @property
    def samples(self) -> int:
        """Samples of the whole run, over all processes."""
        return self.batch * self.iterations

    def __len__(self) -> int:
        return (self.iterations - self.start) * self.accumulation

    def __iter__(self) -> Iterator[list[int]]:
        for k in range(self.start, self.iterations):
            first = k * self.batch + self.rank * self.part * self.accumulation
            for begin in range(first, first + self.part * self.accumulation, self.part):
                yield list(range(begin, begin + self.part))
