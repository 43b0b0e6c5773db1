"""The twelve standard leads, for networks that treat each by its name."""

from pqrst.errors import SettingsError

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")


def check_leads(model: str, in_shape: tuple[int, ...]) -> None:
    """Refuse a signal of another number of leads."""
    if in_shape[0] != len(LEADS):
        raise SettingsError(f"models.{model} needs the twelve leads {' '.join(LEADS)}, got {in_shape[0]}")
