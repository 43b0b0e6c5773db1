"""One file a classical baseline: `Params` and `build(p)`, a scikit-learn estimator over features."""
