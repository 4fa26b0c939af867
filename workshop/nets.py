"""Small networks in NumPy with the hyperparameters of other people's training scripts.

Dense layers with ReLU, dropout, decoupled weight decay, and SGD with momentum or Adam: what scripts
for deep learning call `lr`, `weight_decay`, `momentum`, `dropout`, `batch_size`, `num_layers`,
`hidden_size`, `epochs`, `optimizer`. With no hidden layer it is a linear model. Shapes: n rows,
d columns, k outputs.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

Floats = NDArray[np.float32]


class _Net(BaseEstimator):  # type: ignore[misc]
    """What the classifier and the regressor share."""

    def __init__(
        self, lr: float = 1e-3, weight_decay: float = 0.0, momentum: float = 0.9,
        dropout: float = 0.0, batch_size: int = 32, num_layers: int = 2, hidden_size: int = 64,
        epochs: int = 20, optimizer: str = "adam", random_state: int = 0,
    ) -> None:  # fmt: skip
        self.lr, self.weight_decay, self.momentum = lr, weight_decay, momentum
        self.dropout, self.batch_size, self.num_layers = dropout, batch_size, num_layers
        self.hidden_size, self.epochs, self.optimizer = hidden_size, epochs, optimizer
        self.random_state = random_state

    def _fit(self, x: Any, goal: Floats, classes: bool) -> None:
        """Fit to `goal`, shape (n, k): one-hot classes, or numbers."""
        rng = np.random.default_rng(self.random_state)
        x = np.asarray(x, dtype=np.float32)
        sizes = [x.shape[1], *[self.hidden_size] * self.num_layers, goal.shape[1]]
        self._params = [
            part
            for a, b in pairwise(sizes)
            for part in (rng.standard_normal((a, b), dtype=np.float32) * np.sqrt(2 / a),
                         np.zeros(b, dtype=np.float32))
        ]  # fmt: skip
        first = [np.zeros_like(p) for p in self._params]
        second = [np.zeros_like(p) for p in self._params]
        batch, step = min(self.batch_size, len(x)), 0
        for epoch in range(self.epochs):
            lr = self.lr * 0.5 * (1 + np.cos(np.pi * epoch / self.epochs))
            order = rng.permutation(len(x))
            for at in range(0, len(x), batch):
                rows, step = order[at : at + batch], step + 1
                slopes = self._slopes(rng, x[rows], goal[rows], classes)
                for i, (p, g) in enumerate(zip(self._params, slopes, strict=True)):
                    self._move(p, g, first[i], second[i], lr, step)
            if not np.isfinite(self._params[-1]).all():
                raise ValueError("the training diverged")

    def _slopes(self, rng: np.random.Generator, x: Floats, goal: Floats, classes: bool,
                ) -> list[Floats]:  # fmt: skip
        """The loss's derivatives by every weight, in the order of the weights."""
        seen, kept, h = [x], [], x
        for i in range(self.num_layers):
            h = np.maximum(h @ self._params[2 * i] + self._params[2 * i + 1], 0)
            mask = (h > 0).astype(np.float32)
            if self.dropout:
                mask *= (rng.random(h.shape) >= self.dropout) / np.float32(1 - self.dropout)
                h = np.asarray(h * (mask > 0) / np.float32(1 - self.dropout))
            kept.append(mask)
            seen.append(h)
        out = h @ self._params[-2] + self._params[-1]
        delta = ((_softmax(out) if classes else out) - goal) / len(x)
        found: list[Floats] = []
        for i in range(self.num_layers, -1, -1):
            found = [seen[i].T @ delta, delta.sum(axis=0), *found]
            if i:
                delta = (delta @ self._params[2 * i].T) * kept[i - 1]
        return found

    def _move(self, p: Floats, g: Floats, first: Floats, second: Floats, lr: float, step: int,
              ) -> None:  # fmt: skip
        if p.ndim == 2 and self.weight_decay:
            p *= max(1 - lr * self.weight_decay, 0.0)
        first *= self.momentum
        if self.optimizer == "sgd":
            first += g
            p -= lr * first
            return
        first += (1 - self.momentum) * g
        second *= 0.999
        second += 0.001 * g * g
        scale = np.sqrt(1 - 0.999**step) / max(1 - self.momentum**step, 1e-8)
        p -= lr * scale * first / (np.sqrt(second) + 1e-8)

    def _out(self, x: Any) -> Floats:
        h = np.asarray(x, dtype=np.float32)
        for i in range(self.num_layers):
            h = np.maximum(h @ self._params[2 * i] + self._params[2 * i + 1], 0)
        return np.asarray(h @ self._params[-2] + self._params[-1])


class NetClassifier(ClassifierMixin, _Net):  # type: ignore[misc]
    """A network that says how likely each class is."""

    def fit(self, x: Any, y: Any) -> NetClassifier:
        self.classes_, codes = np.unique(y, return_inverse=True)
        self._fit(x, np.eye(len(self.classes_), dtype=np.float32)[codes], True)
        return self

    def predict_proba(self, x: Any) -> Floats:
        return _softmax(self._out(x))

    def predict(self, x: Any) -> NDArray[Any]:
        return np.asarray(self.classes_[self._out(x).argmax(axis=1)])


class NetRegressor(RegressorMixin, _Net):  # type: ignore[misc]
    """A network that predicts a number."""

    def fit(self, x: Any, y: Any) -> NetRegressor:
        self._fit(x, np.asarray(y, dtype=np.float32)[:, None], False)
        return self

    def predict(self, x: Any) -> Floats:
        return self._out(x)[:, 0]


def _softmax(z: Floats) -> Floats:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))
