"""Load ignite once with its own warning aside: it imports torch's scripted optimizers, which torch calls deprecated."""

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message=".*torch.jit.*", category=DeprecationWarning)
    import ignite.engine  # noqa: F401
