"""Corrections by a transition matrix, peer loss and L_DMI, one element at a time."""

import math

import numpy as np
from oracles.classification.active_passive import probabilities


def noise_transition(y_true, y_pred, transition, mode, from_logits):
    classes = range(len(transition))
    losses = []
    for label, row in zip(y_true, y_pred, strict=True):
        p = probabilities(row, from_logits)
        if mode == "forward":
            losses.append(-math.log(sum(transition[i][label] * p[i] for i in classes)))
            continue
        # Corrected losses l solve T l = (-log p).
        corrected = np.linalg.solve(np.array(transition), [-math.log(q) for q in p])
        losses.append(corrected[label])
    return np.array(losses)


def peer(y_true, y_pred, alpha, from_logits):
    rows = [probabilities(row, from_logits) for row in y_pred]
    losses = []
    for label, p in zip(y_true, rows, strict=True):
        blind = [-math.log(p[other]) for other in y_true]  # every label of the batch in turn
        losses.append(-math.log(p[label]) - alpha * sum(blind) / len(blind))
    return np.array(losses)


def dmi(y_true, y_pred, epsilon, from_logits):
    rows = [probabilities(row, from_logits) for row in y_pred]
    joint = np.zeros((len(rows[0]), len(rows[0])))
    for label, p in zip(y_true, rows, strict=True):
        for k, q in enumerate(p):
            joint[label, k] += q / len(rows)
    singular = np.linalg.svd(joint, compute_uv=False)
    value = -0.5 * sum(math.log(s**2 + epsilon**2) for s in singular)
    return np.full(len(rows), value)
