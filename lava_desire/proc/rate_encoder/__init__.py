"""Brightness to spikes."""
