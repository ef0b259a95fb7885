"""Shorter vectors: the directions in which a shop's texts differ most, kept by a matrix at the end of the graph.

Principal directions without moving the origin, since cosines are measured from it: of all matrices of so many columns
this one keeps the dot products of the given vectors best. Knows vectors and graphs, no text.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.errors import ArtifactError


def principal(vectors: NDArray[np.float32], dim: int) -> NDArray[np.float32]:
    """The matrix ``(hidden, dim)`` with orthonormal columns, the most telling direction first.

    Args:
        vectors: Of the texts, ``(n, hidden)``.
        dim: Length of a vector afterwards.

    Raises:
        ArtifactError: ``dim`` is not between 1 and what the texts span.
    """
    most = min(vectors.shape)
    if not 1 <= dim <= most:
        raise ArtifactError(
            f"vectors of {dim} dimensions from {len(vectors):,} texts of {vectors.shape[1]}",
            allowed=f"1 to {most}",
            fix="name a smaller --dim or more texts",
        )
    spread = vectors.astype(np.float64).T @ vectors.astype(np.float64)
    directions = np.linalg.eigh(spread)[1][:, ::-1][:, :dim]
    # the sign of a direction is free: fixed here, so that equal texts give equal bytes
    signs = np.sign(directions[np.abs(directions).argmax(axis=0), np.arange(dim)])
    return np.ascontiguousarray(directions * signs, np.float32)


def projected(model: Any, matrix: NDArray[np.float32]) -> Any:
    """A sentence encoder's graph with its vectors multiplied by a matrix and made of length 1 again.

    Args:
        model: Whose output is ``embedding``; changed in place and returned.
        matrix: ``(hidden, dim)``.
    """
    from onnx import helper, numpy_helper

    last = next(node for node in model.graph.node if "embedding" in node.output)
    last.output[0] = last.name = "embedding.whole"
    model.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(matrix), "projection"))
    model.graph.node.append(helper.make_node("MatMul", ["embedding.whole", "projection"], ["embedding.projected"]))
    model.graph.node.append(
        helper.make_node("LpNormalization", ["embedding.projected"], ["embedding"], axis=1, p=2, name="embedding")
    )
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = int(matrix.shape[1])
    return model
