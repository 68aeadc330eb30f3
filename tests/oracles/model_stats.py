# SPDX-License-Identifier: Apache-2.0
# requires: numpy==2.2.6 safetensors==0.6.2 scipy==1.15.3
"""Statistics of every tensor of a safetensors file by NumPy and SciPy in float64, as JSON.

    python tests/oracles/model_stats.py MODEL.safetensors > tests/golden/models/NAME.json
"""
import json
import sys

import numpy as np
import scipy.stats
from safetensors import safe_open

KEYS = ["0.1", "1", "5", "25", "50", "75", "95", "99", "99.9"]


def number(value):
    value = float(value)
    return value if np.isfinite(value) else str(value)


def main(path):
    tensors = []
    with safe_open(path, framework="np") as file:
        for name in sorted(file.keys()):
            values = file.get_tensor(name)
            if values.size == 0:
                continue
            x = values.astype(np.float64).ravel()
            matrix = np.abs(values.reshape(values.shape[0], -1) if values.ndim > 1 else values.reshape(1, -1)).astype(np.float64)
            counts, _ = np.histogram(x, bins=16)
            constant = x.min() == x.max()
            inputs = matrix.max(axis=0)
            top = int(np.argmax(inputs))
            tensors.append({
                "name": name, "count": int(x.size), "zeros": int((x == 0).sum()), "min": number(x.min()), "max": number(x.max()),
                "absmax": number(np.abs(x).max()), "mean": number(x.mean()), "std": number(x.std()),
                "skewness": None if constant else number(scipy.stats.skew(x)),
                "kurtosis": None if constant else number(scipy.stats.kurtosis(x)),
                "percentiles": [number(v) for v in np.percentile(x, [float(k) for k in KEYS])],
                "histogram16": [int(c) for c in counts],
                "top_input": top, "top_input_ratio": number(inputs[top] / np.median(inputs)) if np.median(inputs) > 0 else None,
            })
    json.dump({"tensors": tensors}, sys.stdout, separators=(",", ":"))
    print()


main(sys.argv[1])
