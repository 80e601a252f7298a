"""Unit tests of the bundle in the model zoo's form; in the zoo they lie in ci/unit_tests and run from its root."""

import os
import shutil
import signal
import sys
import tempfile
import unittest

import numpy as np
from monai.bundle import ConfigWorkflow

NAME = "sem_mae_pretrain"
ROOT = next(folder for folder in (f"models/{NAME}", f"bundles/{NAME}") if os.path.isdir(folder))
SIZES = {"width": 24, "depth": 2, "heads": 2, "decoder_width": 24, "decoder_depth": 1, "decoder_heads": 2}
TINY = {
    "network": "tiny",
    "presets": {"tiny": SIZES},
    "crop": [6, 24, 24],
    "patch": [1, 8, 8],
    "batch": 2,
    "iterations": 2,
    "val_interval": 1,
    "val_batches": 1,
    "baseline_crops": 1,
    "save_interval": 2,
    "picture_interval": 2,
    "workers": 0,
}

TRAINING = (("random", 0.9), ("section_only", 0.7))  # mask, share of tokens it hides


class TestSemMaePretrain(unittest.TestCase):
    """Train for two iterations, then reconstruct a box with what was saved."""

    def setUp(self):
        self.before = (
            list(sys.path),
            sys.excepthook,
            signal.getsignal(signal.SIGINT),
            signal.getsignal(signal.SIGTERM),
        )
        sys.path.insert(0, ROOT)
        self.folder = tempfile.mkdtemp()
        self.volume = os.path.join(self.folder, "volume.npy")
        np.save(self.volume, np.random.RandomState(0).randint(0, 255, (20, 32, 32)).astype(np.uint8))

    def tearDown(self):
        shutil.rmtree(self.folder)
        sys.path[:], sys.excepthook = self.before[:2]
        signal.signal(signal.SIGINT, self.before[2])
        signal.signal(signal.SIGTERM, self.before[3])

    def run_config(self, name, workflow_type, **override):
        """Initialize, check MONAI's properties, run."""
        workflow = ConfigWorkflow(
            config_file=os.path.join(ROOT, "configs", f"{name}.json"),
            meta_file=os.path.join(ROOT, "configs", "metadata.json"),
            workflow_type=workflow_type,
            logging_file=False,
            bundle_root=ROOT,
            **override,
        )
        workflow.initialize()
        assert workflow.check_properties() == []
        workflow.run()
        workflow.finalize()

    def test_train_and_infer_config(self):
        for mask, ratio in TRAINING:
            with self.subTest(mask=mask):
                run = os.path.join(self.folder, mask)
                self.run_config(
                    "train", "train", **TINY, volumes=self.volume, output_dir=run, mask=mask, mask_ratio=ratio
                )
                best = os.path.join(run, "checkpoints", "best.pt")
                assert os.path.isfile(best)
                out = os.path.join(self.folder, f"{mask}.h5")
                box = "0:6,0:30,0:32"
                self.run_config("inference", "inference", volume=self.volume, checkpoint=best, box=box, out=out)
                assert os.path.isfile(out)


if __name__ == "__main__":
    unittest.main()
