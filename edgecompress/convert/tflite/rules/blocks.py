"""Operators that resize images, or bring blocks of pixels elsewhere; numbers keep their scale."""

from __future__ import annotations

import math

from edgecompress.convert.tflite.rules.node import (
    Node,
    require,
    require_shape,
    rules,
    same_as_input,
    shape_of,
)
from edgecompress.convert.tflite.rules.windows import image


def _resized(node: Node) -> None:
    batch, *_, channels = image(node.input(0))
    size = node.integers(1)
    if size is not None:
        require(len(size) == 2, f"its size is {size}")
        require_shape(node.output, (batch, *size, channels))


def _depth_to_space(node: Node) -> None:
    batch, height, width, channels = image(node.input(0))
    block = node.option("block_size")
    require(block > 0 and channels % block**2 == 0, f"its {channels} channels are no blocks of {block} x {block}")
    require_shape(node.output, (batch, height * block, width * block, channels // block**2))


def _space_to_depth(node: Node) -> None:
    batch, height, width, channels = image(node.input(0))
    block = node.option("block_size")
    require(block > 0 and height % block == width % block == 0, f"its {height} x {width} are no blocks of {block}")
    require_shape(node.output, (batch, height // block, width // block, channels * block**2))


def _to_batch(node: Node) -> None:
    batch, *sides = shape_of(node.input(0))
    blocks, pads = node.integers(1), node.integers(2)
    if blocks is None or pads is None:
        return
    require(len(pads) == 2 * len(blocks) <= 2 * len(sides) and min(blocks) > 0, f"its blocks are {blocks}")
    padded = [side + sum(pads[2 * axis : 2 * axis + 2]) for axis, side in enumerate(sides[: len(blocks)])]
    require(
        all(side % block == 0 for side, block in zip(padded, blocks, strict=True)),
        f"its {padded} are no blocks of {blocks}",
    )
    inner = (side // block for side, block in zip(padded, blocks, strict=True))
    require_shape(node.output, (batch * math.prod(blocks), *inner, *sides[len(blocks) :]))


def _to_space(node: Node) -> None:
    batch, *sides = shape_of(node.input(0))
    blocks, crops = node.integers(1), node.integers(2)
    if blocks is None or crops is None:
        return
    require(len(crops) == 2 * len(blocks) <= 2 * len(sides) and min(blocks) > 0, f"its blocks are {blocks}")
    require(batch % math.prod(blocks) == 0, f"its batch of {batch} is no blocks of {blocks}")
    inner = (sides[axis] * block - sum(crops[2 * axis : 2 * axis + 2]) for axis, block in enumerate(blocks))
    require_shape(node.output, (batch // math.prod(blocks), *inner, *sides[len(blocks) :]))


RULES = {
    "RESIZE_BILINEAR": rules(2, same_as_input, _resized),
    "RESIZE_NEAREST_NEIGHBOR": rules(2, same_as_input, _resized),
    "DEPTH_TO_SPACE": rules(1, same_as_input, _depth_to_space),
    "SPACE_TO_DEPTH": rules(1, same_as_input, _space_to_depth),
    "SPACE_TO_BATCH_ND": rules(3, same_as_input, _to_batch),
    "BATCH_TO_SPACE_ND": rules(3, same_as_input, _to_space),
}
