"""A school's colours: reading them, holding them against WCAG's contrast, palettes to begin with, and the dark scheme.

Pure: nothing here needs a site.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

HEX = re.compile(r"#[0-9a-fA-F]{6}")
TOKENS = ("accent", "on_accent", "ink", "muted", "paper", "highlight")

# Which colour stands on which, and how much it must stand out (WCAG 2.2, 1.4.3). The highlight only decorates.
PAIRS = (("ink", "paper", 4.5), ("muted", "paper", 4.5), ("accent", "paper", 4.5), ("on_accent", "accent", 4.5))

Rgb = tuple[int, int, int]


@dataclass(frozen=True)
class Palette:
    """Everything by which one school looks unlike another before it has chosen anything itself."""

    accent: str
    on_accent: str
    ink: str
    muted: str
    paper: str
    highlight: str
    headlines: str
    motif: str


PALETTES = (
    Palette("#2B3FCB", "#FFFFFF", "#14162B", "#585C75", "#F8F8FC", "#1FBF9C", "Sans", "Blocks"),
    Palette("#9C3D1F", "#FFFFFF", "#2A1B14", "#6B574C", "#FBF6EF", "#E3B23C", "Serif", "Arcs"),
    Palette("#2F6B4F", "#FFFFFF", "#17231C", "#54635A", "#F6F8F3", "#E8C468", "Serif", "Arcs"),
    Palette("#1F4E8C", "#FFFFFF", "#16202C", "#55606E", "#F7F8FA", "#F2A541", "Sans", "Blocks"),
    Palette("#6D2E6B", "#FFFFFF", "#241626", "#665468", "#FAF6FA", "#F08A6B", "Serif", "Blocks"),
    Palette("#0B6970", "#FFFFFF", "#0F2326", "#4D6366", "#F4F9F9", "#FF9B71", "Sans", "Arcs"),
    Palette("#A8281F", "#FFFFFF", "#241412", "#6A5552", "#FBF7F5", "#2B6C7E", "Sans", "Arcs"),
    Palette("#7D5200", "#FFFFFF", "#241C0C", "#665B45", "#FCF8EE", "#C8472C", "Serif", "Blocks"),
)


class InvalidColourError(ValueError):
    """Carry the text that is no colour."""


def read(text: str) -> Rgb:
    """Return red, green and blue (0 to 255) of `#rrggbb`; raises InvalidColourError for anything else."""
    if not isinstance(text, str) or not HEX.fullmatch(text):
        raise InvalidColourError(text)
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def write(colour: Rgb) -> str:
    """Return `#RRGGBB`."""
    return "#{:02X}{:02X}{:02X}".format(*colour)


def luminance(colour: str) -> float:
    """Return the relative luminance, 0 for black to 1 for white (WCAG 2.2, definition)."""
    linear = [part / 255 for part in read(colour)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in linear]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, 1 to 21."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def weak_pairs(tokens: Mapping[str, str]) -> list[tuple[str, str, float, float]]:
    """Return (colour, ground, ratio, needed) for each pair of tokens that cannot be read well enough."""
    ratios = ((front, back, contrast(tokens[front], tokens[back]), needed) for front, back, needed in PAIRS)
    return [pair for pair in ratios if pair[2] < pair[3]]


def mix(one: str, other: str, share: float) -> str:
    """Return the colour that lies `share` (0 to 1) of the way from one to the other."""
    start, end = read(one), read(other)
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(start, end, strict=True))
    return write((red, green, blue))


def readable(colour: str, ground: str, needed: float) -> str:
    """Return the colour, moved towards white or black just as far as it must be to stand out from its ground."""
    pole = max(("#FFFFFF", "#000000"), key=lambda end: contrast(end, ground))
    steps = (mix(colour, pole, step / 20) for step in range(21))
    return next((candidate for candidate in steps if contrast(candidate, ground) >= needed), pole)


def dark_scheme(tokens: Mapping[str, str]) -> dict[str, str]:
    """Return the school's tokens for a dark screen: its own hues, on a ground made of its own ink."""
    paper = mix(tokens["ink"], "#000000", 0.35)
    if luminance(paper) > 0.03:
        paper = mix(paper, "#000000", 0.8)
    accent = readable(tokens["accent"], paper, 5.5)
    return {
        "accent": accent,
        "on_accent": max(("#FFFFFF", "#101010"), key=lambda text: contrast(text, accent)),
        "ink": mix("#FFFFFF", paper, 0.1),
        "muted": readable(mix("#FFFFFF", paper, 0.4), paper, 4.6),
        "paper": paper,
        "highlight": tokens["highlight"],
    }


def palette_for(title: str) -> Palette:
    """Return the palette that a school of this name begins with: always the same one for the same name."""
    # By way of capitals: some letters have the same ones, and are not alike when they are folded by themselves.
    plain = title.strip().upper().casefold()
    digest = hashlib.sha256(f"palette 114:{plain}".encode()).digest()
    return PALETTES[int.from_bytes(digest[:4], "big") % len(PALETTES)]
