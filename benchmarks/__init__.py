"""Figures of speed and memory, and checks of promises over sockets: see README.md."""
