"""One file a published network: `Params`, `ACCEPTS` and `build(in_shape, n_classes, p)`, a module that gives logits.

One that takes numbers beside its rows names their columns in `SIDE`.
"""
