"""The vocabulary of the gateway: frozen values and pure functions that every other room shares.

Nothing here reads a clock, draws randomness, touches a disk or a socket, or imports another room.
"""
