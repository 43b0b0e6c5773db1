"""All targets by name; the ordinary suite and the long run take them from here."""

from fuzzing import of_datasets, of_recordings, of_served, of_settings, of_weights
from fuzzing.core import Target

TARGETS: dict[str, Target] = (
    of_recordings.TARGETS | of_datasets.TARGETS | of_settings.TARGETS | of_served.TARGETS | of_weights.TARGETS
)
