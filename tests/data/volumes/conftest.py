"""One array, written in every format that volumes are read from."""

from collections.abc import Callable
from pathlib import Path

import h5py
import imagecodecs
import nibabel
import numpy as np
import pytest
import tifffile
import zarr

SHAPE = (7, 20, 33)


def _hdf5(folder: Path, array: np.ndarray, **options) -> str:
    with h5py.File(folder / "v.h5", "w") as file:
        file.create_dataset("raw", data=array, **options)
        file.attrs["resolution"] = (30.0, 6.0, 6.0)
    return f"{folder / 'v.h5'}:raw"


def _zarr(folder: Path, array: np.ndarray, **options) -> str:
    written = zarr.create_array(folder / "v.zarr", shape=array.shape, dtype=array.dtype, **options)
    written[:] = array
    written.attrs["voxel_size_nm"] = [30, 6, 6]
    return str(folder / "v.zarr")


def _ome_zarr(folder: Path, array: np.ndarray) -> str:
    group = zarr.open_group(folder / "v.ome.zarr", mode="w", zarr_format=2)
    for level, voxels in enumerate((array, array[:, ::2, ::2])):
        shape = (1, 1, *voxels.shape)
        chunks = (1, 1, 3, 8, 16)
        group.create_array(str(level), shape=shape, dtype=array.dtype, chunks=chunks)[:] = voxels[None, None]
    units = [{}, {}, {"unit": "nanometer"}, {"unit": "micrometer"}, {"unit": "micrometer"}]
    group.attrs["multiscales"] = [
        {
            "version": "0.4",
            "axes": [{"name": name, **unit} for name, unit in zip("tczyx", units, strict=True)],
            "datasets": [
                {
                    "path": str(level),
                    "coordinateTransformations": [{"type": "scale", "scale": [1, 1, 30, 0.006 * step, 0.006 * step]}],
                }
                for level, step in enumerate((1, 2))
            ],
        }
    ]
    return str(folder / "v.ome.zarr")


def _sections(folder: Path, array: np.ndarray, suffix: str) -> str:
    (folder / "sections").mkdir()
    for z, section in enumerate(array):
        path = folder / "sections" / f"s{z + 8}.{suffix}"  # s8, s9, s10: not the order of the alphabet
        if suffix == "png":
            path.write_bytes(imagecodecs.png_encode(section))
        elif suffix == "jpg":
            path.write_bytes(imagecodecs.jpeg8_encode(section, lossless=False, level=100))
        else:
            tifffile.imwrite(path, section)
    return str(folder / "sections")


def _tiff(folder: Path, array: np.ndarray, **options) -> str:
    tifffile.imwrite(folder / "v.tif", array, photometric="minisblack", **options)
    return str(folder / "v.tif")


def _tiff_apart(folder: Path, array: np.ndarray, **options) -> str:
    with tifffile.TiffWriter(folder / "v.tif", **options) as writer:
        for section in array:
            writer.write(section, contiguous=False, metadata=None, description="a section")
    return str(folder / "v.tif")


def _imagej(folder: Path, array: np.ndarray) -> str:
    metadata = {"spacing": 0.03, "unit": "um", "axes": "ZYX"}
    return _tiff(folder, array, imagej=True, resolution=(1 / 0.006, 1 / 0.006), metadata=metadata)


def _ome_tiff(folder: Path, array: np.ndarray) -> str:
    metadata: dict = {"axes": "ZYX"}
    for axis, size, unit in (("Z", 0.03, "µm"), ("Y", 6.0, "nm"), ("X", 60.0, "Å")):
        metadata |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": unit}
    return _tiff(folder, array, ome=True, metadata=metadata, compression="zlib")


def _nifti(folder: Path, array: np.ndarray, name: str) -> str:
    image = nibabel.Nifti1Image(array.T, np.diag([6e-6, 6e-6, 30e-6, 1]))
    image.header.set_xyzt_units("mm")
    nibabel.save(image, folder / name)
    return str(folder / name)


def _npy(folder: Path, array: np.ndarray) -> str:
    np.save(folder / "v.npy", array)
    return str(folder / "v.npy")


WRITERS: dict[str, Callable[[Path, np.ndarray], str]] = {
    "hdf5 contiguous": _hdf5,
    "hdf5 gzip": lambda f, a: _hdf5(f, a, chunks=(3, 8, 16), compression="gzip"),
    "hdf5 shuffle gzip": lambda f, a: _hdf5(f, a, chunks=(3, 8, 16), compression="gzip", shuffle=True),
    "hdf5 lzf fletcher32": lambda f, a: _hdf5(f, a, chunks=(3, 8, 16), compression="lzf", fletcher32=True),
    "hdf5 big-endian": lambda f, a: _hdf5(f, a.astype(a.dtype.newbyteorder(">"))),
    "zarr 2 default": lambda f, a: _zarr(f, a, chunks=(3, 8, 16), zarr_format=2),
    "zarr 2 big-endian, plain": lambda f, a: _zarr(
        f, a.astype(a.dtype.newbyteorder(">")), chunks=(3, 8, 16), zarr_format=2, compressors=None
    ),
    "zarr 3 default": lambda f, a: _zarr(f, a, chunks=(3, 8, 16), zarr_format=3),
    "zarr 3 gzip": lambda f, a: _zarr(f, a, chunks=(3, 8, 16), compressors=zarr.codecs.GzipCodec()),
    "zarr 3 blosc": lambda f, a: _zarr(f, a, chunks=(3, 8, 16), compressors=zarr.codecs.BloscCodec()),
    "zarr 3 sharded": lambda f, a: _zarr(f, a, chunks=(3, 4, 8), shards=(6, 8, 16)),
    "ome-zarr": _ome_zarr,
    "png sections": lambda f, a: _sections(f, a, "png"),
    "tiff sections": lambda f, a: _sections(f, a, "tif"),
    "tiff": _tiff,
    "tiff pages apart": _tiff_apart,
    "tiff zlib": lambda f, a: _tiff(f, a, compression="zlib"),
    "bigtiff big-endian": lambda f, a: _tiff_apart(f, a, bigtiff=True, byteorder=">"),
    "imagej": _imagej,
    "ome-tiff": _ome_tiff,
    "nifti": lambda f, a: _nifti(f, a, "v.nii"),
    "nifti gz": lambda f, a: _nifti(f, a, "v.nii.gz"),
    "npy": _npy,
    "npy fortran": lambda f, a: _npy(f, np.asfortranarray(a)),
    "npy big-endian": lambda f, a: _npy(f, a.astype(a.dtype.newbyteorder(">"))),
}


@pytest.fixture(scope="session")
def voxels() -> np.ndarray:
    """A (7, 20, 33) uint16 array whose voxels all differ."""
    return np.random.default_rng(0).permutation(np.arange(np.prod(SHAPE), dtype=np.uint16)).reshape(SHAPE)


@pytest.fixture(scope="session")
def writers() -> dict[str, Callable[[Path, np.ndarray], str]]:
    """Format -> what writes an array in it, into a folder, and gives its path."""
    return WRITERS


@pytest.fixture(scope="session", params=WRITERS)
def written(request, voxels, tmp_path_factory) -> str:
    """The path of the array, in each format."""
    return WRITERS[request.param](tmp_path_factory.mktemp("volume"), voxels)


@pytest.fixture
def write(tmp_path) -> Callable[[str, np.ndarray], str]:
    """Write an array in a format, by its name here."""

    def write(kind: str, array: np.ndarray) -> str:
        return WRITERS[kind](tmp_path, array)

    return write
