"""Handlers of the training, validation and evaluation engines."""

from scripts.handlers.baselines import Baselines
from scripts.handlers.checkpoint_saver import CheckpointSaver
from scripts.handlers.evaluation_file import EvaluationFile, report_evaluation
from scripts.handlers.freeze_encoder import FreezeEncoder
from scripts.handlers.interrupt import Interrupt
from scripts.handlers.jsonl_log import JsonlLog
from scripts.handlers.learning_rate import LearningRate
from scripts.handlers.metric_logger import LogSink, MetricLogger, StepRecord
from scripts.handlers.nonfinite import NonFiniteGuard
from scripts.handlers.pictures import Pictures, picture_region
from scripts.handlers.prediction_writer import PredictionWriter
from scripts.handlers.progress import Progress
from scripts.handlers.reconstruction_writer import ReconstructionWriter
from scripts.handlers.score_table import ScoreTable
from scripts.handlers.seeding import SeedEachIteration
from scripts.handlers.segmentation_pictures import BoxPicture, SegmentationPictures
from scripts.handlers.tensorboard import TensorBoard
from scripts.handlers.validation import Validation, ValidationLoss, lower_is_better

__all__ = [
    "Baselines",
    "BoxPicture",
    "CheckpointSaver",
    "EvaluationFile",
    "FreezeEncoder",
    "Interrupt",
    "JsonlLog",
    "LearningRate",
    "LogSink",
    "MetricLogger",
    "NonFiniteGuard",
    "Pictures",
    "PredictionWriter",
    "Progress",
    "ReconstructionWriter",
    "ScoreTable",
    "SeedEachIteration",
    "SegmentationPictures",
    "StepRecord",
    "TensorBoard",
    "Validation",
    "ValidationLoss",
    "lower_is_better",
    "picture_region",
    "report_evaluation",
]
