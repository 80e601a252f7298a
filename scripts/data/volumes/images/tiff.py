"""TIFF stacks: uncompressed pages are mapped, compressed ones decoded a page at a time."""

import threading
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tifffile

from scripts.data.volumes.chunked import ChunkedVolume
from scripts.data.volumes.file_pages import FilePages, check_size
from scripts.data.volumes.images.tiff_chain import read_chain
from scripts.data.volumes.images.tiff_tags import check_pages, check_tags, inverted, tiff_voxel_size
from scripts.data.volumes.mapped import MappedVolume
from scripts.data.volumes.volume import Volume, checked_array
from scripts.data.volumes.voxel_size import VoxelSize
from scripts.ops.box import Offset3


class TiffLayout(NamedTuple):
    """What the headers of a TIFF state.

    Attributes:
        shape: pages, y, x; or y, x of a single page.
        stored: type of a pixel, in the byte order of the file.
        offsets: first byte of each page where its pixels are stored plain in one run, else None.
        voxel_size_nm: (z, y, x) in nm, from OME or ImageJ metadata, or None.
        white: the stored value that is black where 0 is white, else None.
    """

    shape: tuple[int, ...]
    stored: np.dtype
    offsets: np.ndarray | None
    voxel_size_nm: VoxelSize | None
    white: int | None = None


def open_tiff(path: str, voxel_size_nm: Sequence[float] | None, cache_mib: float) -> Volume:
    """All pages of a TIFF file as a volume. The voxel size comes from OME or ImageJ metadata where they have it.

    Raises:
        ValueError: corrupt or cut off, a single page, several channels, colour, pages of several sizes, or tags that
            change what a pixel means.
    """
    layout = read_layout(path)
    shape, _ = checked_array(layout.shape, layout.stored, path)
    size = layout.voxel_size_nm if voxel_size_nm is None else voxel_size_nm
    if layout.offsets is None or layout.white is not None:
        return TiffPages(path, shape, layout.stored, size, (1, *shape[1:]), cache_mib, layout.white)
    first = int(layout.offsets[0])
    page = shape[1] * shape[2] * layout.stored.itemsize
    if np.array_equal(layout.offsets, first + page * np.arange(shape[0])):
        return MappedVolume(path, path, shape, layout.stored, size, first, cache_mib=cache_mib)
    return MappedSections(path, path, shape, layout.stored, size, first, cache_mib=cache_mib)


class MappedSections(MappedVolume):
    """Uncompressed pages that are apart in the file."""

    def _view(self, pages: FilePages) -> tuple[list[int], list[np.ndarray]]:
        offsets = read_layout(self._file).offsets
        if offsets is None or len(offsets) != self.shape[0]:
            raise OSError(f"'{self.path}' has changed since it was opened; open it again")
        firsts = offsets.tolist()
        return firsts, [np.ndarray(self.shape[1:], self._stored, pages.map, first) for first in firsts]

    def _read(self, low: Offset3, high: Offset3) -> np.ndarray:
        pages, (firsts, sections) = self._opened()
        (z0, y0, x0), (z1, y1, x1) = low, high
        voxel = self.dtype.itemsize
        pitch = self.shape[2] * voxel
        pages.expect([first + y0 * pitch + x0 * voxel for first in firsts[z0:z1]], y1 - y0, pitch, (x1 - x0) * voxel)
        block = np.empty((z1 - z0, y1 - y0, x1 - x0), self.dtype)
        for row, section in enumerate(sections[z0:z1]):
            block[row] = section[y0:y1, x0:x1]
        return block


class TiffPages(ChunkedVolume):
    """Compressed pages, or pages in which 0 is white; each is a chunk.

    Args:
        path, shape, dtype, voxel_size_nm, chunks, cache_mib: as `ChunkedVolume`.
        white: the stored value that is black where 0 is white, else None.
    """

    def __init__(
        self,
        path: str,
        shape: Sequence[int],
        dtype: np.dtype,
        voxel_size_nm: Sequence[float] | None,
        chunks: Sequence[int],
        cache_mib: float,
        white: int | None = None,
    ) -> None:
        super().__init__(path, shape, dtype, voxel_size_nm, chunks, cache_mib)
        self._white = white

    def remarks(self) -> list[str]:
        """That 0 is white in the file."""
        return [] if self._white is None else ["0 is white in this TIFF (photometric 0): its values are inverted"]

    def _open_file(self) -> tuple[tifffile.TiffFile, threading.Lock]:
        return tifffile.TiffFile(self.path), threading.Lock()

    @staticmethod
    def _close_file(file: tuple[tifffile.TiffFile, threading.Lock]) -> None:
        file[0].close()

    def _decode(self, file: tuple[tifffile.TiffFile, threading.Lock], place: Offset3) -> np.ndarray:
        tiff, lock = file
        try:
            with lock:  # threads share the position of the file
                found = tiff.series[0].pages[place[0]]
                if found is None:
                    raise ValueError("the page is missing")
                page = found.asarray(maxworkers=1)
            page = page if self._white is None else inverted(page, self._white)
            return np.ascontiguousarray(page, dtype=self.dtype).reshape(self.chunks)
        except Exception as error:  # the decoders of tifffile raise many kinds
            raise OSError(
                f"'{self.path}': page {place[0]} cannot be decoded, the file is corrupt ({error}); "
                "copy or export it again"
            ) from error


def read_layout(path: str) -> TiffLayout:
    """Read the headers of all pages of a TIFF.

    Raises:
        ValueError: corrupt or cut off, several channels, colour, or pages of several sizes.
    """
    with open(path, "rb") as file:
        pages = read_chain(file, path)
    try:
        with tifffile.TiffFile(path) as tiff:
            layout = _layout(tiff, path)
            check_pages(pages, path, tiff.is_imagej)
            return layout
    except Exception as error:  # tifffile raises many kinds for damaged tags
        if isinstance(error, ValueError) and path in str(error):
            raise
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise ValueError(f"'{path}' is a corrupt TIFF file ({reason}); copy or export it again") from error


def _layout(tiff: tifffile.TiffFile, path: str) -> TiffLayout:
    series, first = tiff.series[0], tiff.pages.first
    white = check_tags(tiff, path)
    if first.samplesperpixel > 1 or first.photometric in (tifffile.PHOTOMETRIC.RGB, tifffile.PHOTOMETRIC.PALETTE):
        raise ValueError(
            f"'{path}' is in colour ({tifffile.PHOTOMETRIC(first.photometric).name}, {first.samplesperpixel} samples a "
            "pixel), where a volume is grey; convert it to 8-bit or 16-bit grey"
        )
    if len(tiff.series) > 1:
        _raise_for_several(tiff, path)
    shape = tuple(size for size, axis in zip(series.shape, series.axes, strict=True) if size > 1 or axis in "YX")
    axes = "".join(axis for size, axis in zip(series.shape, series.axes, strict=True) if size > 1 or axis in "YX")
    if len(shape) > 3 or "C" in axes or "S" in axes or axes[-2:] != "YX":
        raise ValueError(
            f"'{path}' has the axes {axes} of shape {shape} where a volume has z, y, x; save one channel or time "
            "point as a z-stack, sections of y and x, and open that"
        )
    offsets = _offsets(tiff, series, path)
    return TiffLayout(shape, series.dtype.newbyteorder(tiff.byteorder), offsets, tiff_voxel_size(tiff, path), white)


def _raise_for_several(tiff: tifffile.TiffFile, path: str) -> None:
    """Refuse sections of several sizes, or several images; name the first page that differs, where one does."""
    first = tiff.pages.first
    for number in range(len(tiff.pages)):
        page = tiff.pages.get(number, aspage=True)
        if (page.shape, page.dtype) != (first.shape, first.dtype):
            raise ValueError(
                f"'{path}': page {number} is {page.shape} {page.dtype}, but page 0 is {first.shape} {first.dtype} "
                "(y, x); bring it to that size and type, or leave it out"
            )
    if tiff.is_ome:
        names = ", ".join(f"'{series.name}' {series.shape}" for series in tiff.series[:4])
        raise ValueError(
            f"'{path}' holds {len(tiff.series)} OME images ({names}), where a volume is one; save each as a file of "
            "its own"
        )
    raise ValueError(
        f"'{path}': its {len(tiff.pages)} pages differ in how they are stored (photometric, compression or "
        f"planes), and only {len(tiff.series[0].pages)} belong to the first volume; save all pages alike"
    )


def _offsets(tiff: tifffile.TiffFile, series: tifffile.TiffPageSeries, path: str) -> np.ndarray | None:
    first, size = tiff.pages.first, tiff.filehandle.size
    itemsize = series.dtype.itemsize
    page_bytes = first.imagewidth * first.imagelength * itemsize
    if series.dataoffset is not None:  # one run from the first page on, perhaps without headers for the others
        check_size(size, series.dataoffset + series.size * itemsize, path)
        return series.dataoffset + page_bytes * np.arange(series.size * itemsize // page_bytes)
    plain = (
        first.compression == 1
        and first.predictor == 1
        and first.fillorder == 1
        and not first.is_tiled
        and first.bitspersample == 8 * itemsize
        and not series.is_multifile
    )
    starts = []
    for number, page in enumerate(series.pages):
        if page is None:
            raise ValueError(f"'{path}': page {number} is missing, though the metadata count it; export the file again")
        if not series.is_multifile:
            ends = [start + count for start, count in zip(page.dataoffsets, page.databytecounts, strict=True)]
            check_size(size, max(ends), f"{path}, page {number}")
            plain = plain and ends[:-1] == list(page.dataoffsets[1:]) and ends[-1] - page.dataoffsets[0] == page_bytes
        starts.append(page.dataoffsets[0])
    return np.array(starts) if plain else None
