"""Unit tests of the bundle in the model zoo's form; in the zoo they lie in ci/unit_tests and run from its root."""

import os
import shutil
import signal
import sys
import tempfile
import unittest

import numpy as np
from monai.bundle import ConfigWorkflow

NAME = "sem_neuron_bcd"
ROOT = next(folder for folder in (f"models/{NAME}", f"bundles/{NAME}") if os.path.isdir(folder))
SIZES = {"width": 24, "depth": 3, "heads": 2, "drop_path": 0.0, "layer_decay": 0.75}
TINY = {
    "network": "tiny",
    "presets": {"tiny": SIZES},
    "decoder": "tiny",
    "decoders": {"tiny": [16, 8, 8, 8]},
    "crop": [2, 24, 24],
    "patch": [1, 8, 8],
    "batch": 2,
    "iterations": 2,
    "flips": 1,
    "val_interval": 2,
    "val_batches": 1,
    "save_interval": 2,
    "picture_interval": 2,
    "workers": 0,
}


class TestSemNeuronBcd(unittest.TestCase):
    """Train for two iterations, evaluate what was saved, and predict binary, contour and distance maps of a box."""

    def setUp(self):
        self.before = (
            list(sys.path),
            sys.excepthook,
            signal.getsignal(signal.SIGINT),
            signal.getsignal(signal.SIGTERM),
        )
        sys.path.insert(0, ROOT)
        self.folder = tempfile.mkdtemp()
        self.volume, self.labels = (os.path.join(self.folder, f"{name}.npy") for name in ("volume", "labels"))
        np.save(self.volume, np.random.RandomState(0).randint(0, 255, (20, 48, 48)).astype(np.uint8))
        y, x = np.mgrid[:48, :48] // 12
        np.save(self.labels, np.broadcast_to(1 + 4 * y + x, (20, 48, 48)).astype(np.uint32))

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

    def test_train_evaluate_and_infer_config(self):
        run = os.path.join(self.folder, "run")
        self.run_config("train", "train", **TINY, volumes=self.volume, labels=self.labels, output_dir=run)
        best = os.path.join(run, "checkpoints", "best.pt")
        self.run_config("evaluate", "inference", checkpoint=best)
        assert os.path.isfile(os.path.join(run, "evaluation", "scores.json"))
        out = os.path.join(self.folder, "maps.h5")
        box = "0:6,0:30,0:32"
        self.run_config("inference", "inference", volume=self.volume, checkpoint=best, box=box, out=out)
        assert os.path.isfile(out)


if __name__ == "__main__":
    unittest.main()
