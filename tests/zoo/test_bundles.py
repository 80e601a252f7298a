"""Unit tests of the bundles in the model zoo's form; in the zoo they are in ci/unit_tests and run from its root."""

import os
import shutil
import signal
import sys
import tempfile
import unittest

import numpy as np
from monai.bundle import ConfigWorkflow

BUNDLES = ("sem_mae_pretrain", "sem_neuron_affinity", "sem_neuron_bcd", "sem_mito_bc")
"""A package has a copy of this file with its own bundle alone."""
SHORT = {
    "network": "tiny",
    "patch": [1, 8, 8],
    "batch": 2,
    "iterations": 2,
    "val_batches": 1,
    "save_interval": 2,
    "picture_interval": 2,
    "workers": 0,
}
PRETRAINING = {
    **SHORT,
    "presets": {
        "tiny": {"width": 24, "depth": 2, "heads": 2, "decoder_width": 24, "decoder_depth": 1, "decoder_heads": 2}
    },
    "crop": [6, 24, 24],
    "val_interval": 1,
    "baseline_crops": 1,
}
FINE_TUNING = {
    **SHORT,
    "presets": {"tiny": {"width": 24, "depth": 3, "heads": 2, "drop_path": 0.0, "layer_decay": 0.75}},
    "unetr_decoder": "tiny",
    "unetr_decoder_presets": {"tiny": [16, 8, 8, 8]},
    "crop": [2, 24, 24],
    "flips": 1,
    "val_interval": 2,
}
MASKS = (("random", 0.9), ("section_only", 0.7))  # mask, share of tokens it hides
BOX = "0:6,0:30,0:32"


class TestBundles(unittest.TestCase):
    """Train for two iterations, evaluate what was saved, and predict a box."""

    def setUp(self):
        self.before = (
            list(sys.path),
            sys.excepthook,
            signal.getsignal(signal.SIGINT),
            signal.getsignal(signal.SIGTERM),
        )
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

    def run_config(self, bundle, name, workflow_type, **override):
        """Initialize, check MONAI's properties, run."""
        root = next(folder for folder in (f"models/{bundle}", f"bundles/{bundle}") if os.path.isdir(folder))
        sys.path.insert(0, root)
        workflow = ConfigWorkflow(
            config_file=os.path.join(root, "configs", f"{name}.json"),
            meta_file=os.path.join(root, "configs", "metadata.json"),
            workflow_type=workflow_type,
            logging_file=False,
            bundle_root=root,
            **override,
        )
        workflow.initialize()
        assert workflow.check_properties() == []
        workflow.run()
        workflow.finalize()

    def test_train_and_reconstruct(self):
        for bundle in (bundle for bundle in BUNDLES if bundle == "sem_mae_pretrain"):
            for mask, ratio in MASKS:
                with self.subTest(bundle=bundle, mask=mask):
                    run, out = (os.path.join(self.folder, name) for name in (mask, f"{mask}.h5"))
                    options = {**PRETRAINING, "volumes": self.volume, "output_dir": run}
                    self.run_config(bundle, "train", "train", **options, token_mask=mask, mask_ratio=ratio)
                    best = os.path.join(run, "checkpoints", "best.pt")
                    options = {"volume": self.volume, "checkpoint": best, "box": BOX, "out": out}
                    self.run_config(bundle, "inference", "inference", **options)
                    assert os.path.isfile(out)

    def test_train_evaluate_and_infer(self):
        for bundle in (bundle for bundle in BUNDLES if bundle != "sem_mae_pretrain"):
            with self.subTest(bundle=bundle):
                run, out = (os.path.join(self.folder, name) for name in (bundle, f"{bundle}.h5"))
                options = {**FINE_TUNING, "volumes": self.volume, "labels": self.labels, "output_dir": run}
                self.run_config(bundle, "train", "train", **options)
                best = os.path.join(run, "checkpoints", "best.pt")
                self.run_config(bundle, "evaluate", "inference", checkpoint=best)
                assert os.path.isfile(os.path.join(run, "evaluation", "scores.json"))
                options = {"volume": self.volume, "checkpoint": best, "box": BOX, "out": out}
                self.run_config(bundle, "inference", "inference", **options)
                assert os.path.isfile(out)


if __name__ == "__main__":
    unittest.main()
