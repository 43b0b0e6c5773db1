"""One file a loss: `Params`, `TASKS` and `build(task, class_counts, p)`, a module of (logits, target, weight).

One that is bounded, and so has no gradient left at logits far out, says `BOUNDED = True`.
"""
