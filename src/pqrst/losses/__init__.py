"""One file a loss: `Params`, `TASKS` and `build(task, class_counts, p)`, a module of (logits, target, weight)."""
