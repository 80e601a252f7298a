"""What goes on around training: records, checkpoints, validation, pictures, and the checks before the first step."""

from scripts.handlers.announce import announce
from scripts.handlers.baselines import Baselines
from scripts.handlers.batches import prepare_box_batch, prepare_masked_batch, prepare_target_batch
from scripts.handlers.best_checkpoint import BestCheckpoint
from scripts.handlers.checkpoints import Checkpoints
from scripts.handlers.encoder_transfer import transfer_encoder
from scripts.handlers.freeze_encoder import FreezeEncoder
from scripts.handlers.inferer import PrecisionInferer
from scripts.handlers.interrupt import Interrupt
from scripts.handlers.json_lines import JsonLines, read_log
from scripts.handlers.learning_rate import LearningRate
from scripts.handlers.nonfinite import NonFiniteGuard
from scripts.handlers.options import check_options
from scripts.handlers.pictures import Pictures, picture_region
from scripts.handlers.plain_errors import plain_errors
from scripts.handlers.preflight import check_settings
from scripts.handlers.progress import Progress
from scripts.handlers.reconstruction_windows import BoxWindows, reconstruction_region
from scripts.handlers.reconstruction_writer import ReconstructionWriter
from scripts.handlers.records import IterationRecord, Listener, Recorder
from scripts.handlers.regions import check_held_out, image_regions
from scripts.handlers.restored_network import decoder_of, recipe_of, restore
from scripts.handlers.run_folder import RunFolder
from scripts.handlers.score_table import ScoreTable
from scripts.handlers.seeding import SeedEachIteration
from scripts.handlers.segmentation_pictures import BoxPicture, SegmentationPictures
from scripts.handlers.step import TrainingStep
from scripts.handlers.switches import switch
from scripts.handlers.tensorboard import TensorBoard
from scripts.handlers.training import finish, train
from scripts.handlers.validation import Validate, ValidationLoss, lower_is_better
from scripts.handlers.volume_inference.inferer import VolumeInferer

__all__ = [
    "Baselines",
    "BestCheckpoint",
    "BoxPicture",
    "BoxWindows",
    "Checkpoints",
    "FreezeEncoder",
    "Interrupt",
    "IterationRecord",
    "JsonLines",
    "LearningRate",
    "Listener",
    "NonFiniteGuard",
    "Pictures",
    "PrecisionInferer",
    "Progress",
    "ReconstructionWriter",
    "Recorder",
    "RunFolder",
    "ScoreTable",
    "SeedEachIteration",
    "SegmentationPictures",
    "TensorBoard",
    "TrainingStep",
    "Validate",
    "ValidationLoss",
    "VolumeInferer",
    "announce",
    "check_held_out",
    "check_options",
    "check_settings",
    "decoder_of",
    "finish",
    "image_regions",
    "lower_is_better",
    "picture_region",
    "plain_errors",
    "prepare_box_batch",
    "prepare_masked_batch",
    "prepare_target_batch",
    "read_log",
    "recipe_of",
    "reconstruction_region",
    "restore",
    "switch",
    "train",
    "transfer_encoder",
]
