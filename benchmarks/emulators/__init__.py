"""Our networks in emulators and simulators that others wrote, compared bit by bit."""
