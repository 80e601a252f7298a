"""Train in a locked folder, from wherever the last checkpoint ended."""

import logging

from monai.engines import Trainer

from scripts.checkpoints.run_folder import RunFolder
from scripts.handlers.metric_logger import MetricLogger

logger = logging.getLogger(__name__)


def train(trainer: Trainer, metric_logger: MetricLogger, folder: RunFolder) -> None:
    """Train with the folder locked, unless all iterations were done before; always close the sinks.

    Raises:
        BlockingIOError: another process trains in the folder.
    """
    try:
        folder.lock()
        if trainer.state.iteration >= trainer.state.epoch_length:
            logger.info(
                f"complete: all {trainer.state.epoch_length:,} iterations are done; a larger --iterations N resumes"
            )
        else:
            trainer.run()
            metric_logger.flush()
    finally:
        metric_logger.close()
        folder.unlock()
