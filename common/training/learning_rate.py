"""Learning rates by iteration."""


def poly_lr(base_lr: float, iteration: int, max_iterations: int, power: float = 0.9, step: int = 10) -> float:
    """Learning rate at `iteration` (from 0): DeepLab-v2's poly policy (section 4.1.2), set every `step` iterations."""
    return base_lr * (1 - iteration // step * step / max_iterations) ** power
