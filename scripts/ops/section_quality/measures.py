"""Section statistics and the rules that find black, missing, saturated, blurred, repeated and misplaced sections.

Measures are made of one section, or of a pair of them, so that a caller may stream a volume; rules look at the rows of
measures of a whole volume. `near[k]` and everything else measured between neighbours belongs to the pair (k, k + 1),
`far[k]` to the pair (k, k + 2); what cannot be measured is NaN, and a rule never fires on NaN.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft

Floats = NDArray[np.floating]
Flags = NDArray[np.bool_]

WINDOW = 1024
"""Side in pixels of the central part that sharpness and texture are measured on; larger sections cost no more."""
NEIGHBOURS = 6
"""How many sections on each side a section is compared with."""


@dataclass(frozen=True)
class SectionStatistics:
    """Grey values of one section; `dark` and `bright` are the fractions at 0 and at the highest value of the dtype."""

    mean: float
    std: float
    low: float
    median: float
    high: float
    dark: float
    bright: float
    sharpness: float


def section_statistics(section: NDArray) -> SectionStatistics:
    """Measure one `(y, x)` section; `low` and `high` are the percentiles 1 and 99.

    Raises:
        ValueError: a float section with values that are not finite.
    """
    if section.dtype.kind == "f" and not np.isfinite(section).all():
        raise ValueError(f"{int((~np.isfinite(section)).sum())} values of the section are not finite")
    if section.dtype in (np.uint8, np.uint16):
        counts = _histogram(section)
        values = np.arange(counts.size, dtype=np.float64)
        mean = float(counts @ values / section.size)
        std = float(np.sqrt(counts @ (values - mean) ** 2 / section.size))
        rank = np.cumsum(counts)
        low, median, high = (float(np.searchsorted(rank, q * section.size)) for q in (0.01, 0.5, 0.99))
        dark, bright = float(counts[0] / section.size), float(counts[-1] / section.size)
    else:
        mean, std = float(section.mean(dtype=np.float64)), float(section.std(dtype=np.float64))
        low, median, high = map(float, np.percentile(section, (1, 50, 99)))
        top = np.iinfo(section.dtype).max if section.dtype.kind in "iu" else np.inf
        dark, bright = float((section == 0).mean()), float((section == top).mean())
    return SectionStatistics(mean, std, low, median, high, dark, bright, sharpness(section))


def sharpness(section: NDArray) -> float:
    """Contrast at the width of a membrane (Gaussian scales 1.5 to 2 pixels) over that of its surroundings (4 to 6).

    Measured in the spectrum of the central half window. Single pixels do not count, as noise outlives a blur. 0 if the
    section is uniform.
    """
    grey = _central(section, WINDOW // 2).astype(np.float32)
    power = np.abs(fft.rfft2((grey - grey.mean()) * _taper(grey.shape))) ** 2
    fine, coarse = (float((power * _band(grey.shape, *scales) ** 2).sum()) for scales in ((1.5, 2.0), (4.0, 6.0)))
    return float(np.sqrt(fine / coarse)) if coarse > 1e-6 * grey.size else 0.0


def texture(section: NDArray) -> NDArray[np.complex64]:
    """Spectrum of the central window between the Gaussian scales 1.5 and 6 pixels: membranes, not brightness or noise.

    Returns the `rfft2` of shape `(y, x // 2 + 1)`, scaled so that `likeness(t, t)` is 1; zeros where all is uniform.
    """
    grey = _central(section, WINDOW).astype(np.float32)
    spectrum = fft.rfft2((grey - grey.mean()) * _taper(grey.shape)) * _band(grey.shape, 1.5, 6.0)
    norm = np.sqrt(max(_inner(spectrum, spectrum, grey.shape[1]), 0.0))
    return (spectrum / norm if norm > 1e-6 * grey.size else np.zeros_like(spectrum)).astype(np.complex64)


def likeness(first: NDArray[np.complex64], second: NDArray[np.complex64], width: int) -> float:
    """Correlation of two textures in place, -1 to 1; `width` is that of their window. NaN if one is uniform."""
    if not first.any() or not second.any():
        return float("nan")
    return _inner(first, second, width)


def displacement(first: NDArray[np.complex64], second: NDArray[np.complex64], width: int) -> tuple[float, float, float]:
    """Displacement of `second` from `first`: (y, x) in pixels by phase correlation, and the peak over the noise.

    A peak under about 10 is noise. NaN if one texture is uniform.
    """
    if not first.any() or not second.any():
        return float("nan"), float("nan"), float("nan")
    cross = second * np.conj(first)
    size = np.abs(cross)
    surface = fft.irfft2(cross / (size + 1e-3 * size.max()), s=(first.shape[0], width))
    peak = np.unravel_index(int(surface.argmax()), surface.shape)
    y, x = (float(p if p <= n // 2 else p - n) for p, n in zip(peak, surface.shape, strict=True))
    return y, x, float(surface.max() / surface.std())


def black_sections(dark: Floats) -> Flags:
    """Over 90 % of the voxels are 0; or over 25 %, and 20 points more than the median of the neighbours."""
    return (dark > 0.9) | ((dark > 0.25) & (dark - local_median(dark) > 0.2))


def missing_sections(std: Floats) -> Flags:
    """No texture: the standard deviation is under 10 % of the median one of the sections that are not uniform."""
    typical = np.median(std[std > 0]) if (std > 0).any() else 1.0
    return std < 0.1 * typical


def saturated_sections(bright: Floats) -> Flags:
    """Over 90 % of the voxels are at the top; or over 25 %, and 20 points more than the median of the neighbours."""
    return (bright > 0.9) | ((bright > 0.25) & (bright - local_median(bright) > 0.2))


def odd_brightness_sections(mean: Floats, std: Floats) -> Flags:
    """The mean is over 6 robust deviations and over 2 typical standard deviations of grey from the neighbours' median.

    Serial sections differ in brightness as a rule (AC4: 93 to 197 at a deviation of 43), so both must hold.
    """
    away = np.abs(mean - local_median(mean))
    spread = 1.4826 * local_median(away)
    return (away > 6 * spread) & (away > 2 * np.nanmedian(std))


def blurred_sections(sharp: Floats) -> Flags:
    """The sharpness is under 75 % of the median of the neighbours, and over 3 robust deviations below it."""
    usual = local_median(sharp)
    spread = 1.4826 * local_median(np.abs(sharp - usual))
    return (sharp < 0.75 * usual) & (usual - sharp > 3 * spread)


def repeated_sections(near: Floats) -> Flags:
    """Section k + 1 shows the tissue of k again: likeness 80 % of the way from its median to 1. Row k of n - 1."""
    if not np.isfinite(near).any():
        return np.zeros(near.shape, bool)
    typical = np.nanmedian(near)
    return near > typical + 0.8 * (1 - typical)


def slipped_sections(shifts: NDArray, peaks: Floats, pixels: float = 6.0) -> Flags:
    """One section is displaced: displaced at least `pixels` from the one before, and the next one comes back.

    Of two such sections in a row the first is the slipped one.

    Args:
        shifts: `(n - 1, 2)`, displacement (y, x) of section k + 1 from k.
        peaks: `(n - 1,)`, peak over the noise; both must reach 15.
        pixels: distance that counts; the way back may miss by half of it.
    """
    flags = np.zeros(len(shifts) + 1, bool)
    out, back = shifts[:-1], shifts[1:]
    far = np.minimum(np.hypot(*out.T), np.hypot(*back.T)) >= pixels
    returns = np.hypot(*(out + back).T) <= pixels / 2
    aside = far & returns & (np.minimum(peaks[:-1], peaks[1:]) >= 15)
    for k in np.flatnonzero(aside) + 1:
        flags[k] = not flags[k - 1]
    return flags


def jumps(shifts: NDArray, peaks: Floats, pixels: float = 8.0) -> Flags:
    """The stack is displaced from section k + 1 on, by at least `pixels` (peak over 15), for good. Row k of n - 1."""
    slipped = slipped_sections(shifts, peaks, pixels)
    return (np.hypot(*shifts.T) >= pixels) & (peaks >= 15) & ~slipped[:-1] & ~slipped[1:]


def misplaced_sections(near: Floats, far: Floats, peaks: Floats) -> Flags:
    """A section resembles neither neighbour as these resemble each other, or has a gap (see `gaps`) on both sides.

    By how much: a quarter of what likeness falls by from one section's distance to two, and three robust deviations
    from what is usual. The first and the last section cannot be judged.
    """
    flags = np.zeros(len(near) + 1, bool)
    lost = gaps(peaks)
    flags[1:-1] = _stands_out(far - np.maximum(near[:-1], near[1:]), near, far) | (lost[:-1] & lost[1:])
    return flags


def swapped_sections(near: Floats, far: Floats) -> Flags:
    """Sections k and k + 1 changed places: each resembles the other's neighbour more, by the same measure as above.

    Row k of n - 1; the first and the last pair cannot be judged.
    """
    flags = np.zeros(near.shape, bool)
    flags[1:-1] = _stands_out(far[:-1] - near[:-2], near, far) & _stands_out(far[1:] - near[2:], near, far)
    return flags


def gaps(peaks: Floats) -> Flags:
    """Tissue is lost between sections k and k + 1: the peak of phase correlation is under 40 % of the median's."""
    return peaks < 0.4 * np.nanmedian(peaks) if np.isfinite(peaks).any() else np.zeros(peaks.shape, bool)


def _stands_out(excess: Floats, near: Floats, far: Floats) -> Flags:
    if not np.isfinite(excess).any():
        return np.zeros(excess.shape, bool)
    fall = float(np.nanmedian(near) - np.nanmedian(far))
    usual = np.nanmedian(excess)
    spread = 1.4826 * np.nanmedian(np.abs(excess - usual))
    return (excess > max(0.25 * fall, 0.02)) & (excess > usual + 3 * spread)


def local_median(values: Floats) -> Floats:
    """Median of up to `NEIGHBOURS` values on each side, the value itself left out; NaN where there are none."""
    n = len(values)
    around = [np.r_[values[max(0, k - NEIGHBOURS) : k], values[k + 1 : k + 1 + NEIGHBOURS]] for k in range(n)]
    around = [part[np.isfinite(part)] for part in around]
    return np.array([np.median(part) if part.size else np.nan for part in around])


def _histogram(section: NDArray) -> NDArray[np.int64]:
    """Counts of all values of an unsigned type; in blocks, as `bincount` widens its input eightfold."""
    counts = np.zeros(np.iinfo(section.dtype).max + 1, np.int64)
    step = max(1, 2**21 // section.shape[1])
    for y in range(0, section.shape[0], step):
        counts += np.bincount(section[y : y + step].ravel(), minlength=counts.size)
    return counts


def _central(section: NDArray, window: int) -> NDArray:
    low = [max(0, (size - window) // 2) for size in section.shape]
    return section[low[0] : low[0] + window, low[1] : low[1] + window]


@lru_cache(maxsize=2)
def _taper(shape: tuple[int, int]) -> NDArray[np.float32]:
    """Hann window over (y, x), so that the borders do not show in the spectrum."""
    return np.outer(np.hanning(shape[0] + 2)[1:-1], np.hanning(shape[1] + 2)[1:-1]).astype(np.float32)


@lru_cache(maxsize=4)
def _band(shape: tuple[int, int], fine: float, coarse: float) -> NDArray[np.float32]:
    """What a difference of Gaussians with these standard deviations (pixels) lets through, in the layout of `rfft2`."""
    y, x = fft.fftfreq(shape[0])[:, None], fft.rfftfreq(shape[1])[None]
    square = 2 * np.pi**2 * (y**2 + x**2)
    return (np.exp(-square * fine**2) - np.exp(-square * coarse**2)).astype(np.float32)


def _inner(first: NDArray, second: NDArray, width: int) -> float:
    """Inner product of two real images given by their `rfft2`, up to a constant: inner columns stand for two."""
    both = np.real(first * np.conj(second)).sum(axis=0, dtype=np.float64)
    last = both[-1] if width % 2 == 0 else 0.0
    return float(2 * both.sum() - both[0] - last)
