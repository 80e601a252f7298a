"""Decoding and scoring of volumes larger than memory, block by block, with the result of doing it in memory."""
