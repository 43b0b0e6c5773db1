"""One file a frontend: `Params` and `build(n_leads, p)`, a module from (B, leads, T) to the same shape."""
