"""What goes on around training: records, checkpoints, validation, pictures, and the checks before the first step."""

from scripts.handlers.announce import announce
from scripts.handlers.announce_segmentation import announce_segmentation
from scripts.handlers.baselines import Baselines
from scripts.handlers.batches import prepare_box_batch, prepare_masked_batch, prepare_target_batch
from scripts.handlers.best_checkpoint import BestCheckpoint
from scripts.handlers.chain_figures import ChainPicture, show_chain
from scripts.handlers.checkpoints import Checkpoints
from scripts.handlers.encoder_transfer import transfer_encoder
from scripts.handlers.evaluation_file import EvaluationFile, report_evaluation
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
from scripts.handlers.regions import check_held_out, held_out_box, image_regions
from scripts.handlers.restored_network import decoder_of, recipe_of, restore
from scripts.handlers.run_folder import RunFolder
from scripts.handlers.score_table import ScoreTable
from scripts.handlers.seeding import SeedEachIteration
from scripts.handlers.segmentation_pictures import BoxPicture, SegmentationPictures
from scripts.handlers.segmentation_preflight import check_segmentation_settings
from scripts.handlers.segmentation_report import finish_segmentation
from scripts.handlers.step import TrainingStep
from scripts.handlers.switches import switch
from scripts.handlers.tensorboard import TensorBoard
from scripts.handlers.training import finish, train
from scripts.handlers.validation import Validate, ValidationLoss, lower_is_better
from scripts.handlers.volume_inference.inferer import VolumeInferer
from scripts.handlers.volume_inference.predict import predict_volume
from scripts.handlers.volume_inference.region import inference_region, say_how_to_decode
from scripts.handlers.volume_inference.steps import StepInferer, VolumeSteps, prepare_step
from scripts.handlers.volume_inference.writer import PredictionWriter

__all__ = [
    "Baselines",
    "BestCheckpoint",
    "BoxPicture",
    "BoxWindows",
    "ChainPicture",
    "Checkpoints",
    "EvaluationFile",
    "FreezeEncoder",
    "Interrupt",
    "IterationRecord",
    "JsonLines",
    "LearningRate",
    "Listener",
    "NonFiniteGuard",
    "Pictures",
    "PrecisionInferer",
    "PredictionWriter",
    "Progress",
    "ReconstructionWriter",
    "Recorder",
    "RunFolder",
    "ScoreTable",
    "SeedEachIteration",
    "SegmentationPictures",
    "StepInferer",
    "TensorBoard",
    "TrainingStep",
    "Validate",
    "ValidationLoss",
    "VolumeInferer",
    "VolumeSteps",
    "announce",
    "announce_segmentation",
    "check_held_out",
    "check_options",
    "check_segmentation_settings",
    "check_settings",
    "decoder_of",
    "finish",
    "finish_segmentation",
    "held_out_box",
    "image_regions",
    "inference_region",
    "lower_is_better",
    "picture_region",
    "plain_errors",
    "predict_volume",
    "prepare_box_batch",
    "prepare_masked_batch",
    "prepare_step",
    "prepare_target_batch",
    "read_log",
    "recipe_of",
    "reconstruction_region",
    "report_evaluation",
    "restore",
    "say_how_to_decode",
    "show_chain",
    "switch",
    "train",
    "transfer_encoder",
]
