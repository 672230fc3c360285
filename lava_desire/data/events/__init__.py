"""Event data: recordings, their bins, files of the field, and data that are made here."""

from lava_desire.data.events.bins import bin_events, stream_windows
from lava_desire.data.events.dataset import EventDataset, load_events
from lava_desire.data.events.reading import iterate_events, read_events
from lava_desire.data.events.recording import Events

__all__ = [
    "EventDataset",
    "Events",
    "bin_events",
    "iterate_events",
    "load_events",
    "read_events",
    "stream_windows",
]
