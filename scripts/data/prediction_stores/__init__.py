"""Where a prediction (channels, z, y, x) is written block by block: OME-Zarr or HDF5, neither broken by a kill."""
