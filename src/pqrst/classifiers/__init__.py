"""One file a classical baseline: `Params`, `ACCEPTS`, `TRUSTED` and `build(columns, classes, seed, p, shape)`, a scikit-learn estimator."""
