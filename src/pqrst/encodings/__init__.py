"""One file an encoding of signals as images: `Params`, `encode(signals, fs, p)`, (n, leads, T) to (n, c, h, w), and `shape(in_shape, p)`.

`Params` has `start` and `length` in samples; a missing sample (NaN) is drawn as 0. Files that begin with an underscore serve
two or more of them.
"""
