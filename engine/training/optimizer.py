"""What changes the weights: AdamW, Muon, the schedule, and the averaged copy."""

import math

import torch


def learning_rate(step, fraction, plan):
    """Linear warm-up, then half a cosine to 0 at the end of the budget. fraction: of it, spent."""
    warm = min(1.0, (step + 1) / plan.warm_up_steps)
    return plan.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * min(1.0, fraction)))


def orthogonalise(matrices, iterations=5):
    """[k, out, in] -> about the nearest matrices with orthonormal rows or columns.

    Newton-Schulz iteration with the quintic of Jordan et al. 2024 ("Muon"): singular values end
    within about [0.7, 1.2], which is near enough for a step's direction.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrices.bfloat16() if matrices.is_cuda else matrices
    tall = x.size(-2) > x.size(-1)
    x = x.mT if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(iterations):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return (x.mT if tall else x).to(matrices.dtype)


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised, for matrices; those of one shape are worked on together.

    Steps have the root mean square 0.2 of a typical AdamW step (Liu et al. 2025, "Muon is
    scalable"), so that both share learning rate and weight decay.
    """

    STEP_SCALE = 0.2

    def __init__(self, parameters, lr, weight_decay, momentum=0.95):
        by_shape = {}
        for parameter in parameters:
            by_shape.setdefault(tuple(parameter.shape), []).append(parameter)
        defaults = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum}
        super().__init__([{"params": group} for group in by_shape.values()], defaults)

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            parameters, momentum = group["params"], group["momentum"]
            gradients = torch.stack([parameter.grad for parameter in parameters])
            state = self.state[parameters[0]]
            if "momentum" not in state:
                state["momentum"] = torch.zeros_like(gradients)
            state["momentum"].lerp_(gradients, 1 - momentum)
            ahead = gradients.lerp(state["momentum"], momentum)  # Nesterov
            steps = orthogonalise(ahead) * (self.STEP_SCALE * math.sqrt(max(ahead.shape[1:])))
            torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
            torch._foreach_add_(parameters, list(steps.unbind(0)), alpha=-group["lr"])


def make_optimizers(model, plan):
    """A list of optimizers that together hold every parameter; vectors are not decayed."""
    matrices, tables, vectors = [], [], []
    for name, parameter in model.named_parameters():
        if parameter.ndim < 2:
            vectors.append(parameter)
        elif name.startswith("layers.") and plan.optimizer == "muon":
            matrices.append(parameter)
        else:
            tables.append(parameter)
    on_gpu = vectors[0].is_cuda
    groups = [
        {"params": tables, "weight_decay": plan.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    adamw = torch.optim.AdamW(groups, lr=plan.learning_rate, betas=(0.9, 0.95), fused=on_gpu)
    if not matrices:
        return [adamw]
    return [adamw, Muon(matrices, plan.learning_rate, plan.weight_decay)]


class AveragedWeights:
    """An exponential average of a model's parameters; young averages forget faster."""

    def __init__(self, model, decay):
        self.decay = decay
        self.live = list(model.parameters())
        self.average = [parameter.detach().clone() for parameter in self.live]

    @torch.no_grad()
    def update(self, step):
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.average, [p.detach() for p in self.live], 1 - decay)

    @torch.no_grad()
    def swap(self):
        """Exchanges the averaged and the live values; a second call exchanges them back."""
        for average, live in zip(self.average, self.live, strict=True):
            kept = live.detach().clone()
            live.copy_(average)
            average.copy_(kept)
