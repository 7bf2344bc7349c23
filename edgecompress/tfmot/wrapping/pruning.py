"""Pruning by TF-MOT's wrappers: what they take, their schedules and steps, and the weights that come out of them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from edgecompress.environment import load_tfmot
from edgecompress.errors import MethodError
from edgecompress.keras_bridge.kernels import kernels
from edgecompress.keras_types import Layer, Model
from edgecompress.numerics.sparsity import SparsitySchedule
from edgecompress.tfmot.graph import called_again, replay
from edgecompress.tfmot.wrapping.translating import enter, leave


def schedule(planned: SparsitySchedule) -> Any:
    """Return TF-MOT's form of a schedule."""
    sparsity_schedules = load_tfmot().sparsity.keras
    if planned.initial is None:
        return sparsity_schedules.ConstantSparsity(planned.final, begin_step=0, end_step=-1, frequency=planned.interval)
    return sparsity_schedules.PolynomialDecay(
        planned.initial, planned.final, begin_step=0, end_step=planned.last, frequency=planned.interval
    )


def unprunable(twin: Model, layer: Layer) -> str:
    """Return why TF-MOT cannot prune a layer of a translation, or ''."""
    from tensorflow_model_optimization.python.core.sparsity.keras import prune_registry

    registry = prune_registry.PruneRegistry
    supported = registry.supports(layer) and registry.make_prunable(layer).get_prunable_weights()
    return called_again(twin, layer) if supported else f"TF-MOT does not prune {type(layer).__name__}"


def runs_sparse(layer: Layer) -> bool:
    """Return whether XNNPACK has a sparse kernel for a layer of a translation."""
    return bool(load_tfmot().sparsity.keras.PruneForLatencyOnXNNPack().allow_pruning(layer))


def require_runs_sparse(model: Model, *, method: str, hint: str) -> None:
    """Refuse a network with a layer that XNNPACK cannot run sparse, naming it.

    Raises:
        MethodError: there is one.
    """
    try:
        policy = load_tfmot().sparsity.keras.PruneForLatencyOnXNNPack()
        policy.ensure_model_supports_pruning(enter(model, method=method))
    except ValueError as error:
        raise MethodError(f"'{model.name}' would not run sparse: {error}.", hint=hint) from error


def wrap(twin: Model, layers: Collection[Layer], **arguments: Any) -> Model:
    """Return the translation with these layers of it wrapped; `arguments` are TF-MOT's."""
    prune = load_tfmot().sparsity.keras.prune_low_magnitude
    return replay(twin, lambda layer, prefix: prune(layer, **arguments) if layer in layers else layer)


def tell_step(wrapped: Model, done: int) -> None:
    """Tell the wrappers how many optimizer steps were done, by which they rise and update their masks."""
    for wrapper in _wrappers(wrapped):
        wrapper.pruning_step.assign(done)


def strip(wrapped: Model, model: Model) -> Model:
    """Return a copy of `model` with the weights of the wrapped translation, masks applied."""
    for wrapper in _wrappers(wrapped):
        wrapper.pruning_obj.weight_mask_op()  # the last step moved what is masked
    plain = leave(load_tfmot().sparsity.keras.strip_pruning(wrapped), model)
    for kernel in (kernel for layer in plain.layers for kernel in kernels(layer)):
        kernel.assign(kernel + 0.0)  # a mask makes negative zeros of negative weights: noise to whatever packs them
    return plain


def _wrappers(wrapped: Model) -> list[Layer]:
    return [layer for layer in wrapped.layers if hasattr(layer, "pruning_step")]
