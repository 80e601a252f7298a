"""Maps of volumes that fit no memory: windows, flips, blending, and slabs on disk.

A handler's room, as inference joins what rooms below it have: volumes, the grey scale, conventions of affinities.
"""
