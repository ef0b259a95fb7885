"""What runs a graph on the CPU: ONNX Runtime, or OpenVINO where aisle[openvino] is installed. Knows no text.

A run has one thread: texts run beside each other instead, which is faster (docs/encoder.md). Both runtimes compute in
float32 what the graph says is float; OpenVINO would otherwise choose bfloat16 by itself where the processor has it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from threading import local
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.errors import ArtifactError, OptionalDependencyError

ONNX, OPENVINO = "onnx", "openvino"
RUNTIMES = (ONNX, OPENVINO)
FIX = "make the model again"

Run = Callable[[Mapping[str, NDArray[Any]]], NDArray[Any]]
"""Inputs by name to the graph's first output. Many threads may call it."""


def open_graph(path: Path, runtime: str = ONNX, threads: int = 1) -> Run:
    """Load a graph.

    Args:
        path: An ONNX file.
        runtime: One of `RUNTIMES`. OpenVINO knows only standard operators: ``aisle export --runtime openvino`` writes
            such graphs.
        threads: How many callers may run it at the same time.

    Raises:
        ArtifactError: The file cannot be loaded, or the runtime is unknown.
        OptionalDependencyError: The runtime is not installed.
    """
    if runtime not in RUNTIMES:
        raise ArtifactError(f"runtime {runtime!r}", allowed=" or ".join(RUNTIMES), fix=FIX)
    return _openvino(path, threads) if runtime == OPENVINO else _onnxruntime(path)


def _onnxruntime(path: Path) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # parallel over texts instead: 25% more texts a second, and no spinning
    options.inter_op_num_threads = 1
    # The graph is final. Optimising it again would fuse LayerNormalization into the slower kernel.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own errors share no narrower public base
        raise ArtifactError(f"cannot load {str(path)!r}: {error}", fix=FIX) from None

    def run(inputs: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        found: NDArray[Any] = session.run(None, dict(inputs))[0]
        return found

    return run


def _openvino(path: Path, threads: int) -> Run:
    try:
        import openvino
    except ImportError:
        raise OptionalDependencyError("openvino", "openvino", f"the model {str(path.parent)!r}") from None
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": threads,
        "ENABLE_CPU_PINNING": False,  # a pinned thread waits for its core while another is idle
    }
    try:
        compiled = openvino.Core().compile_model(str(path), "CPU", settings)
    except Exception as error:  # openvino raises RuntimeError and its own kinds
        raise ArtifactError(
            f"OpenVINO cannot load {str(path)!r}: {str(error).strip().splitlines()[-1][:200]}",
            allowed="a graph of standard operators, as aisle export --runtime openvino writes it",
            fix="export the model for this runtime",
        ) from None
    # OpenVINO looks NumPy up with the first array it is given; two threads that are first together wait for ever.
    openvino.Tensor(np.zeros(1, np.float32))
    held = local()  # a request serves one thread at a time

    def run(inputs: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        if not hasattr(held, "request"):
            held.request = compiled.create_infer_request()
        held.request.infer(dict(inputs))
        found: NDArray[Any] = held.request.get_output_tensor(0).data.copy()
        return found

    return run
