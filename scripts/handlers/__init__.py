"""Handlers of the training, validation and evaluation engines: classes with `attach(engine)`.

Where a `MetricLogger` sends its records is in `scripts.handlers.sinks`.
"""

from scripts.handlers.attach import Attach
from scripts.handlers.baselines import Baselines
from scripts.handlers.checkpoint_saver import CheckpointSaver
from scripts.handlers.evaluation_file import EvaluationFile
from scripts.handlers.freeze_encoder import FreezeEncoder
from scripts.handlers.interrupt import Interrupt
from scripts.handlers.learning_rate import LearningRate
from scripts.handlers.metric_logger import MetricLogger
from scripts.handlers.pictures import Pictures
from scripts.handlers.prediction_writer import PredictionWriter
from scripts.handlers.reconstruction_writer import ReconstructionWriter
from scripts.handlers.score_table import ScoreTable
from scripts.handlers.seeding import SeedEachIteration
from scripts.handlers.segmentation_pictures import BoxPicture, SegmentationPictures
from scripts.handlers.validation import Validation, ValidationLoss

__all__ = [
    "Attach",
    "Baselines",
    "BoxPicture",
    "CheckpointSaver",
    "EvaluationFile",
    "FreezeEncoder",
    "Interrupt",
    "LearningRate",
    "MetricLogger",
    "Pictures",
    "PredictionWriter",
    "ReconstructionWriter",
    "ScoreTable",
    "SeedEachIteration",
    "SegmentationPictures",
    "Validation",
    "ValidationLoss",
]
