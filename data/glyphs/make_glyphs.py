"""Draw the glyph images of lesson 05: characters as identities, fonts as views.

Theory of operation
-------------------
matplotlib ships twelve DejaVu styles.  A code point that all of them draw, with ink, becomes an identity; its
twelve drawings are its views.  Each is drawn large, then sampled once into 24 x 24 pixels through a small
random rotation, scaling and shift, so that no two views agree pixel by pixel.  The ink lies in the middle,
so a comma and an apostrophe may look the same.

Code points whose large drawings agree in every style are homoglyphs (Latin A, Greek Alpha, Cyrillic A).
`identities` gives such a group one label, its lowest code point; `code_points` keeps them apart.
Splits are drawn by identity, so that a group never lies on both sides.

Run ``python data/glyphs/make_glyphs.py`` to write ``glyphs.npz`` and ``CHECKSUMS`` beside this file.
"""

from __future__ import annotations

import hashlib
import io
import unicodedata
import zipfile
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.ft2font import FT2Font, LoadFlags

HERE = Path(__file__).resolve().parent
SIZE = 24
"""Side of an image in pixels."""
LARGE = 96
"""Side of the large drawing in pixels."""
EM = 82
"""Font size in these pixels."""
SAMPLES = 3
"""Samples per pixel along each axis."""
SAME = 0.02
"""Homoglyphs: the squared difference of two drawings, over the product of their norms, is at most this."""
SEED = 20240605
TEST, VALIDATION = 500, 150
"""Identities in these splits; the others are for training."""
STYLES = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique"),
    *("DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSansMono-Oblique", "DejaVuSansMono-BoldOblique"),
    *("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "DejaVuSerif-BoldItalic"),
)


def load_fonts() -> list[FT2Font]:
    """Return the twelve styles, ready to draw; raises FileNotFoundError where matplotlib lacks one."""
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    fonts = []
    for style in STYLES:
        font = FT2Font(str(folder / f"{style}.ttf"))
        font.set_size(EM, 72)
        fonts.append(font)
    return fonts


def is_character(code: int) -> bool:
    """Return whether a code point is a letter, mark, number, punctuation or symbol of Unicode."""
    return unicodedata.category(chr(code))[0] in "LNPS"


def common_code_points(fonts: list[FT2Font]) -> list[int]:
    """Return the characters that every style has, in order."""
    shared = set.intersection(*(set(font.get_charmap()) for font in fonts))
    return sorted(code for code in shared if is_character(code))


def draw(font: FT2Font, code: int) -> np.ndarray:
    """Return a large drawing, (LARGE, LARGE) uint8: its ink lies in the middle."""
    font.set_text(chr(code), 0, LoadFlags.NO_HINTING)
    font.draw_glyphs_to_bitmap(antialiased=True)
    ink = np.asarray(font.get_image())
    page = np.zeros((LARGE, LARGE), np.uint8)
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if rows.size:
        ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        paste(page, ink, (LARGE - ink.shape[0]) // 2, (LARGE - ink.shape[1]) // 2)
    return page


def paste(page: np.ndarray, ink: np.ndarray, top: int, left: int) -> None:
    """Put ink on a page, in place; what lies beyond the page is cut off."""
    first, side = max(top, 0), max(left, 0)
    part = ink[first - top : LARGE - top, side - left : LARGE - left]
    page[first : first + part.shape[0], side : side + part.shape[1]] = part


def group_homoglyphs(codes: list[int], pages: np.ndarray) -> np.ndarray:
    """Return for each code point the lowest one that looks the same in all of pages[n, style]."""
    coarse = pages.reshape(len(codes), len(STYLES), SIZE, LARGE // SIZE, SIZE, LARGE // SIZE).mean(
        axis=(3, 5)
    )
    same = np.ones((len(codes), len(codes)), bool)
    for drawings in np.swapaxes(coarse, 0, 1):
        flat = drawings.reshape(len(codes), -1)
        norms = np.sum(flat**2, axis=1)
        same &= norms[:, None] + norms - 2 * flat @ flat.T <= SAME * np.sqrt(np.outer(norms, norms))
    label = np.arange(len(codes))
    while True:
        lowest = np.array([label[row].min() for row in same])
        if np.array_equal(lowest, label):
            return np.array(codes, np.int32)[label]
        label = lowest


def view(page: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a page (SIZE, SIZE) turned by up to 0.2 rad, scaled by 0.85 to 1.15, shifted by up to 12 %."""
    turn, scale = rng.uniform(-0.2, 0.2), rng.uniform(0.85, 1.15)
    shift = rng.uniform(-0.12, 0.12, size=2)
    at = (np.arange(SIZE * SAMPLES) + 0.5) / (SIZE * SAMPLES) - 0.5
    y, x = np.meshgrid(at - shift[0], at - shift[1], indexing="ij")
    rows = (np.cos(turn) * y + np.sin(turn) * x) / scale
    columns = (np.cos(turn) * x - np.sin(turn) * y) / scale
    fine = interpolate(page, (rows + 0.5) * LARGE - 0.5, (columns + 0.5) * LARGE - 0.5)
    pixels = fine.reshape(SIZE, SAMPLES, SIZE, SAMPLES).mean(axis=(1, 3))
    return np.round(pixels).astype(np.uint8)


def interpolate(page: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return a page's values between its pixels, bilinearly, and zero outside."""
    padded = np.pad(page.astype(np.float64), 1)
    rows, columns = np.clip(rows + 1, 0, LARGE + 0.999), np.clip(columns + 1, 0, LARGE + 0.999)
    i, j = rows.astype(int), columns.astype(int)
    down, right = rows - i, columns - j
    upper = padded[i, j] * (1 - right) + padded[i, j + 1] * right
    lower = padded[i + 1, j] * (1 - right) + padded[i + 1, j + 1] * right
    return upper * (1 - down) + lower * down


def split_identities(identities: np.ndarray, rng: np.random.Generator) -> dict[int, int]:
    """Return 0 (training), 1 (validation) or 2 (test) for each identity."""
    shuffled = rng.permutation(np.unique(identities)).tolist()
    edges = {2: shuffled[:TEST], 1: shuffled[TEST : TEST + VALIDATION], 0: shuffled[TEST + VALIDATION :]}
    return {identity: split for split, members in edges.items() for identity in members}


def make() -> dict[str, np.ndarray]:
    """Draw everything; one row per code point and style."""
    rng = np.random.default_rng(SEED)
    fonts = load_fonts()
    codes = common_code_points(fonts)
    pages = np.array([[draw(font, code) for font in fonts] for code in codes])
    inked = pages.any(axis=(2, 3)).all(axis=1)
    codes, pages = [code for code, ink in zip(codes, inked, strict=True) if ink], pages[inked]
    identities = group_homoglyphs(codes, pages)
    splits = split_identities(identities, rng)
    styles = len(STYLES)
    return {
        "images": np.array([view(page, rng) for views in pages for page in views]),
        "identities": np.repeat(identities, styles),
        "code_points": np.repeat(np.array(codes, np.int32), styles),
        "fonts": np.tile(np.arange(styles, dtype=np.uint8), len(codes)),
        "splits": np.repeat(np.array([splits[i] for i in identities.tolist()], np.uint8), styles),
        "font_names": np.array(STYLES),
    }


def packed(arrays: dict[str, np.ndarray]) -> bytes:
    """Return an ``.npz`` archive; equal arrays give equal bytes, since no member carries a date."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, array, allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, member.getvalue(), compresslevel=9)
    return stream.getvalue()


def main() -> None:
    """Write the data file and its checksums, and say what is in it."""
    arrays = make()
    data = packed(arrays)
    (HERE / "glyphs.npz").write_bytes(data)
    lines = [f"{hashlib.sha256(data).hexdigest()}  glyphs.npz"]
    lines += [
        f"{hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()}  glyphs.npz:{name}"
        for name, array in arrays.items()
    ]
    (HERE / "CHECKSUMS").write_text("\n".join(lines) + "\n", "utf-8")
    print(f"{len(arrays['images'])} images, {len(np.unique(arrays['code_points']))} code points,", end=" ")
    print(f"{len(np.unique(arrays['identities']))} identities, {len(data) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
