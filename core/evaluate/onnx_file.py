"""The fitted pipeline as ONNX, where skl2onnx and onnxruntime are installed and can express it."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

NAME = "pipeline.onnx"
_TOLERANCE = 1e-4
"""Largest difference from the pipeline that is put down to ONNX's 32-bit floats; relative to the
largest prediction for regressions."""
_OPSET = {"": 18, "ai.onnx.ml": 3}


def write_onnx(pipeline: Any, folder: Path, rows: NDArray[np.float64]) -> bool:
    """Write `pipeline.onnx`; False where a package is missing or the pipeline cannot be expressed.

    Its input is "rows", shape (n_rows, n_columns), 32-bit floats: X as `predict.py` makes it. The
    last output holds probabilities, or the predictions of a regression.

    Args:
        rows: of X; the file is kept only where it agrees with the pipeline on them.
    """
    try:
        from onnxruntime import InferenceSession
        from skl2onnx import to_onnx
        from skl2onnx.common.data_types import FloatTensorType
    except ImportError:
        return False
    narrow = rows.astype(np.float32)
    proba = hasattr(pipeline, "predict_proba")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _register_boosters()
            made = to_onnx(
                pipeline, initial_types=[("rows", FloatTensorType([None, rows.shape[1]]))],
                target_opset=_OPSET, options={id(pipeline): {"zipmap": False}} if proba else None,
            ).SerializeToString()
            session = InferenceSession(made, providers=["CPUExecutionProvider"])
            found = np.asarray(session.run(None, {"rows": narrow})[-1])
            wanted = np.asarray((pipeline.predict_proba if proba else pipeline.predict)(narrow))
    except Exception:  # each converter raises errors of its own for what it cannot express
        return False
    scale = 1.0 if proba else max(1.0, float(np.max(np.abs(wanted))))
    if not np.allclose(found.reshape(wanted.shape), wanted, rtol=0, atol=_TOLERANCE * scale):
        return False
    (folder / NAME).write_bytes(made)
    return True


def _register_boosters() -> None:
    """Tell skl2onnx how onnxmltools converts XGBoost's and LightGBM's estimators."""
    from skl2onnx import update_registered_converter
    from skl2onnx.common import shape_calculator

    options = {"nocl": [True, False], "zipmap": [True, False, "columns"]}
    shapes = {
        "Classifier": (shape_calculator.calculate_linear_classifier_output_shapes, options),
        "Regressor": (shape_calculator.calculate_linear_regressor_output_shapes, None),
    }
    if find_spec("onnxmltools") is None:
        return
    if find_spec("xgboost") is not None:
        import xgboost
        from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost

        for kind, (shape, allowed) in shapes.items():
            update_registered_converter(getattr(xgboost, f"XGB{kind}"), f"XGBoostXGB{kind}", shape,
                                        convert_xgboost, options=allowed)
    if find_spec("lightgbm") is not None:
        import lightgbm
        from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm

        for kind, (shape, allowed) in shapes.items():
            update_registered_converter(getattr(lightgbm, f"LGBM{kind}"), f"LightGbmLGBM{kind}",
                                        shape, convert_lightgbm, options=allowed)
