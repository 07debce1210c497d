"""Makes activations easier to round to int8, at no change of what the model computes.

A channel that is large in every row takes the range of the row's one scale from all others. Where a
norm alone feeds matrices, channel c may be divided by s[c] in the norm's weight and bias, and
multiplied in the matrices' columns: s[c] = largest activation^SHARE / largest weight^(1 - SHARE), up to
a factor for all channels (Xiao et al. 2023, "SmoothQuant", equation 4). The outputs of attention and
of the activation function stay as they are.
"""

import torch

from model import SparseTransformer, load_tensors, saved_tensors

SHARE = 0.85
SMALLEST = 1e-5  # of what a channel is taken to be


def _fed_by_norms(layer):
    """(norm, the matrices that read it) of a layer."""
    attn, mlp = layer.attn, layer.mlp
    return [(layer.attn_norm, (attn.q, attn.k, attn.v)), (layer.mlp_norm, (mlp.up,))]


@torch.no_grad()
def _largest_activations(model, norms, rows):
    """[d_model] for each of `norms`, over all positions of `rows` int64 [batch, n]."""
    found = {norm: torch.zeros(model.config["d_model"]) for norm in norms}

    def note(norm, inputs, output):
        torch.maximum(found[norm], output.abs().flatten(0, -2).amax(0), out=found[norm])

    hooks = [norm.register_forward_hook(note) for norm in norms]
    for row in rows:
        model.loss(row[None])
    for hook in hooks:
        hook.remove()
    return found


@torch.no_grad()
def balance(config, tensors, rows):
    """The tensors {name: float32 array} of an equal model; rows: uint8 [batch, n], typical tokens."""
    if config["norm_epsilon"] is None:
        raise ValueError("the layers have no norms that could be balanced")
    model = load_tensors(SparseTransformer(config), tensors).eval().prepare(rows.shape[1], "plain")
    pairs = [pair for layer in model.layers for pair in _fed_by_norms(layer)]
    largest = _largest_activations(model, [norm for norm, _ in pairs], torch.from_numpy(rows).long())
    for norm, matrices in pairs:
        weights = torch.cat([matrix.weight for matrix in matrices]).abs().amax(0)
        scale = largest[norm].clamp(min=SMALLEST) ** SHARE / weights.clamp(min=SMALLEST) ** (1 - SHARE)
        scale /= scale.log().mean().exp()
        for parameter in norm.parameters():
            parameter /= scale
        for matrix in matrices:
            matrix.weight *= scale
    return saved_tensors(model.state_dict())
