"""Recordings of events as spikes."""
