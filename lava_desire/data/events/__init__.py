"""Event data: recordings, their bins, files of the field, and data that are made here."""

from lava_desire.data.events.bins import bin_events, stream_windows
from lava_desire.data.events.recording import Events

__all__ = ["Events", "bin_events", "stream_windows"]
