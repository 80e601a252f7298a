"""How a Zarr chunk is decoded at once, past the library, for the usual ways of storing."""

import struct
from collections.abc import Callable
from typing import Any

import imagecodecs
import numcodecs
import numpy as np
import zarr
from zarr.codecs import BloscCodec, BytesCodec, GzipCodec, ZstdCodec

Decoder = Callable[[bytes, int], Any]
"""From the bytes of a chunk and the bytes it will have, to those."""


def stored_type(array: zarr.Array) -> np.dtype:
    """Type of a voxel in decoded bytes."""
    big = array.metadata.zarr_format == 3 and any(
        isinstance(codec, BytesCodec) and codec.endian is not None and codec.endian.value == "big"
        for codec in array.metadata.codecs
    )
    return array.dtype.newbyteorder(">") if big else array.dtype


def fast_decoder(array: zarr.Array) -> Decoder | None:
    """How to decode a chunk at once, for the usual ways of storing; None leaves it to the library, at 1 ms a chunk."""
    metadata = array.metadata
    if metadata.zarr_format == 2:
        if metadata.order != "C" or metadata.filters:
            return None
        return _of_numcodecs(metadata.compressor)
    if not metadata.codecs or not isinstance(metadata.codecs[0], BytesCodec) or len(metadata.codecs) > 2:
        return None
    if len(metadata.codecs) == 1:
        return _checked_plain
    compressor = metadata.codecs[1]
    if isinstance(compressor, GzipCodec):
        return lambda data, size: imagecodecs.gzip_decode(data, out=size)
    if isinstance(compressor, ZstdCodec):
        return lambda data, size: imagecodecs.zstd_decode(data, out=size)
    if isinstance(compressor, BloscCodec):
        return _blosc
    return None


def _of_numcodecs(compressor: Any) -> Decoder | None:
    if compressor is None:
        return _checked_plain
    if isinstance(compressor, numcodecs.Zlib):
        return lambda data, size: imagecodecs.deflate_decode(data, out=size)
    if isinstance(compressor, numcodecs.GZip):
        return lambda data, size: imagecodecs.gzip_decode(data, out=size)
    if isinstance(compressor, numcodecs.Blosc):
        return _blosc
    if isinstance(compressor, numcodecs.Zstd):
        return lambda data, size: imagecodecs.zstd_decode(data, out=size)
    if isinstance(compressor, numcodecs.LZ4):
        return lambda data, size: compressor.decode(data)
    return None


def _blosc(data: bytes, size: int) -> bytes:
    """The library reads beyond the end of a chunk that was cut off, so the lengths in its header are checked first."""
    if len(data) < 16 or struct.unpack("<I", data[4:8])[0] != size or struct.unpack("<I", data[12:16])[0] > len(data):
        raise ValueError(f"a Blosc chunk of {len(data)} bytes whose header promises another length")
    return numcodecs.Blosc().decode(data)


def _checked_plain(data: bytes, size: int) -> bytes:
    if len(data) != size:
        raise ValueError(f"{len(data)} bytes where {size} belong")
    return data
