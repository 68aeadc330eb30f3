# SPDX-License-Identifier: Apache-2.0
# requires: numpy==2.4.6 gguf==0.19.0
"""Writes tests/golden/io/{stored,deflated,zip64}.npz and importance.{gguf,dat} with what they hold.

numpy writes the archives; the gguf package writes the GGUF importance matrix; the older form is
written here field by field from its description (number of entries; for each: length and bytes of
the name, calls, number of values, the values; then chunks, length and bytes of the data set's
name), all int32 and float32, little-endian.
"""
import json
import struct
import sys
import zipfile
from pathlib import Path

import gguf
import numpy as np

OUT = Path(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/io")


def arrays():
    rng = np.random.default_rng(20)
    return {
        "weight": rng.normal(0, 0.02, (6, 8)).astype("<f4"),
        "activations": rng.normal(0, 1, (5, 8)).astype("<f8"),
        "column_major": np.asfortranarray(rng.normal(0, 1, (3, 4)).astype("<f2")),
        "big": rng.normal(0, 1, (2, 3)).astype(">f4"),
        "layers/0/counts": np.arange(7, dtype="<i4"),
        "zeros": np.zeros((40, 50), "<f4"),
    }


def main():
    data = arrays()
    np.savez(OUT / "stored.npz", **data)
    np.savez_compressed(OUT / "deflated.npz", **data)
    with zipfile.ZipFile(OUT / "zip64.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in data.items():
            with archive.open(name + ".npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array)
        archive.writestr("notes.txt", "not an array")
    # Larger than what is inflated at once: value (i, j) is (3 i + j // 40) mod 997.
    i, j = np.indices((2500, 2000))
    large = ((3 * i + j // 40) % 997).astype("<i2")
    np.savez_compressed(OUT / "large.npz", rows=large, columns=np.asfortranarray(large))
    (OUT / "archives.json").write_text(
        json.dumps(
            {
                name: {
                    "shape": list(array.shape),
                    "values": [float(x) for x in array.astype("f8").ravel(order="C")],
                }
                for name, array in data.items()
            },
            indent=1,
        )
        + "\n"
    )

    entries = {
        "blk.0.attn_q.weight": np.abs(np.random.default_rng(4).normal(0, 9, 8)).astype("<f4"),
        "blk.0.ffn_down.weight": np.abs(np.random.default_rng(5).normal(0, 9, 12)).astype("<f4"),
    }
    writer = gguf.GGUFWriter(OUT / "importance.gguf", "")
    writer.kv_data[0].pop("general.architecture", None)
    writer.add_type("imatrix")
    writer.add_array("imatrix.datasets", ["text.txt"])
    writer.add_uint32("imatrix.chunk_count", 3)
    writer.add_uint32("imatrix.chunk_size", 512)
    for name, squares in entries.items():
        writer.add_tensor(name + ".in_sum2", squares)
        writer.add_tensor(name + ".counts", np.array([1536], "<f4"))
    experts = np.arange(6, dtype="<f4").reshape(2, 3)
    writer.add_tensor("blk.1.ffn_up_exps.weight.in_sum2", experts)
    writer.add_tensor("blk.1.ffn_up_exps.weight.counts", np.array([[100], [200]], "<f4"))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

    old = struct.pack("<i", len(entries))
    for name, squares in entries.items():
        text = name.encode()
        old += struct.pack("<i", len(text)) + text + struct.pack("<ii", 3, len(squares))
        old += squares.tobytes()
    old += struct.pack("<i", 3) + struct.pack("<i", 8) + b"text.txt"
    (OUT / "importance.dat").write_bytes(old)
    (OUT / "importance.json").write_text(
        json.dumps({name: [float(x) for x in v] for name, v in entries.items()}, indent=1) + "\n"
    )


main()
