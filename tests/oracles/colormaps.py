# SPDX-License-Identifier: Apache-2.0
# requires: matplotlib==3.9.2 numpy==1.26.4
"""Writes the published 256-entry tables of viridis and cividis: resources/colormaps/*.csv and core/stats/colormap_tables.inc.

Run from the root of the project: python3 tests/oracles/colormaps.py
"""
import matplotlib

matplotlib.use("Agg")
from matplotlib import colormaps

out = ["// SPDX-License-Identifier: Apache-2.0\n",
       "// Written by tests/oracles/colormaps.py; sources and licences: resources/colormaps/README.md\n"]
for name in ("viridis", "cividis"):
    table = [tuple(int(round(c * 255)) for c in colormaps[name](i)[:3]) for i in range(256)]
    with open(f"resources/colormaps/{name}.csv", "w") as csv:
        csv.write("r,g,b\n")
        csv.writelines(f"{r},{g},{b}\n" for r, g, b in table)
    out.append(f"constexpr std::array<std::uint32_t, 256> k{name.capitalize()} = {{\n")
    codes = ["0xff%02x%02x%02xU" % c for c in table]
    for i in range(0, 256, 8):
        out.append("    " + ", ".join(codes[i:i + 8]) + ",\n")
    out.append("};\n")
with open("core/stats/colormap_tables.inc", "w") as inc:
    inc.writelines(out)
