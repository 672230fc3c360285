"""Readers of NIR graphs, a file each: how it reads one, and what makes it exact.

A file has the ``PACKAGES`` whose versions are kept, the ``DIALECT`` that its graphs are written in,
and ``WAYS``: for either reset, how it is read, first as it comes. A way takes the file, dt and the
input spikes (T, B, ...) bool, and returns output spikes (T, B, ...), numbers. No file needs this
library, and one imports its reader only.
"""
