# SPDX-License-Identifier: Apache-2.0
# requires: fonttools==4.53.1
"""Cuts the bundled faces from Debian 12's fonts-inter and fonts-jetbrains-mono.

python3 resources/fonts/subset_fonts.py

Dropped: contextual alternates and ligatures (with them Inter draws 0x15 as 0 x 15 and JetBrains Mono draws != as one glyph;
Qt 6.4 cannot switch them off), hinting, all scripts but Latin and Greek. The families are renamed, so that a system's full
fonts of the same name can never be picked instead.
"""
import os
import sys

from fontTools import subset
from fontTools.ttLib import TTFont

INTER = "/usr/share/fonts/opentype/inter/"
MONO = "/usr/share/fonts/truetype/jetbrains-mono/"
FACES = [
    (INTER + "Inter-Regular.otf", "LoupeInter-Regular.otf", "Loupe Inter", "Regular"),
    (INTER + "Inter-Medium.otf", "LoupeInter-Medium.otf", "Loupe Inter", "Medium"),
    (INTER + "Inter-SemiBold.otf", "LoupeInter-SemiBold.otf", "Loupe Inter", "SemiBold"),
    (INTER + "Inter-Italic.otf", "LoupeInter-Italic.otf", "Loupe Inter", "Italic"),
    (MONO + "JetBrainsMono-Regular.ttf", "LoupeMono-Regular.ttf", "Loupe Mono", "Regular"),
    (MONO + "JetBrainsMono-Bold.ttf", "LoupeMono-Bold.ttf", "Loupe Mono", "Bold"),
]
# Latin, Greek, punctuation, raised and lowered digits, letterlike, arrows, mathematical operators, floor and ceiling,
# geometric shapes, check marks.
RANGES = [(0x20, 0x7E), (0xA0, 0x17F), (0x2B0, 0x2FF), (0x300, 0x304), (0x370, 0x3FF), (0x2000, 0x206F), (0x2070, 0x209F),
          (0x20AC, 0x20AC), (0x2100, 0x214F), (0x2150, 0x215E), (0x2190, 0x21FF), (0x2200, 0x22FF), (0x2308, 0x230B),
          (0x25A0, 0x25FF), (0x2713, 0x2717), (0x27E8, 0x27E9)]
RIBBI = {"Regular", "Bold", "Italic", "Bold Italic"}


def rename(font, family, style):
    names = font["name"]
    plain = style in RIBBI
    values = {1: family if plain else f"{family} {style}", 2: style if plain else "Regular", 3: f"{family} {style} subset",
              4: f"{family} {style}", 6: f"{family.replace(' ', '')}-{style}", 16: family, 17: style}
    names.names = [record for record in names.names if record.nameID in (0, 5, 13, 14)]
    for key, value in values.items():
        names.setName(value, key, 3, 1, 0x409)
        names.setName(value, key, 1, 0, 0)
    if "CFF " in font:
        top = font["CFF "].cff
        top.fontNames = [values[6]]
        top.topDictIndex[0].FamilyName = family
        top.topDictIndex[0].FullName = values[4]


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    unicodes = [code for first, last in RANGES for code in range(first, last + 1)]
    for source, target, family, style in FACES:
        options = subset.Options()
        options.layout_features = ["kern", "mark", "mkmk", "ccmp", "locl"]
        options.hinting = False
        options.name_IDs = ["*"]
        options.notdef_outline = True
        options.recalc_timestamp = False
        font = TTFont(source, recalcTimestamp=False)
        cutter = subset.Subsetter(options)
        cutter.populate(unicodes=unicodes)
        cutter.subset(font)
        rename(font, family, style)
        path = os.path.join(here, target)
        font.save(path)
        print(target, os.path.getsize(path), len(font.getBestCmap()), file=sys.stderr)


if __name__ == "__main__":
    main()
