"""Fill the tables of numba when this module is imported: the first compiled function of a process takes 0.7 s."""

import numpy as np

from scripts.ops.labels.connected_components import sizes_of

sizes_of(np.zeros((1, 1, 1), dtype=np.uint32), 0)
