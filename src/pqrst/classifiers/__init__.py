"""One file a classical baseline: a scikit-learn estimator.

Each provides `Params`, `ACCEPTS`, `TASKS`, `TRUSTED` and `build(columns, classes, seed, p, shape)`.
"""
