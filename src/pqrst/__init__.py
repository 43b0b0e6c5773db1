"""pqrst: prepare public ECG databases, train published classifiers, print their tables beside the published numbers."""

__version__ = "0.1.0"
