"""One file an encoding of signals as images: `Params` and `encode(signals, fs, p)`, (n, leads, T) to (n, c, h, w)."""
