# SPDX-License-Identifier: Apache-2.0
# requires: onnx==1.23.2 ml_dtypes==0.6.0 numpy==2.4.6
"""Writes tests/golden/io/onnx/: models of every data type, and expected.json with what onnx itself
reads from them (numpy_helper.to_array) or computes (ReferenceEvaluator for DequantizeLinear): shape
and values (float64, little-endian bytes in hex; absolute values of complex numbers).

With a second argument, a folder of Debian's libonnx-testdata, also writes testdata.json: for every
model there that holds tensors, shape and FNV-1a hash of each. The models themselves stay out.
"""
import json
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

OUT = Path(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/io/onnx")
expected = {}

TYPES = (
    "FLOAT UINT8 INT8 UINT16 INT16 INT32 INT64 BOOL FLOAT16 DOUBLE UINT32 UINT64 COMPLEX64 COMPLEX128 "
    "BFLOAT16 FLOAT8E4M3FN FLOAT8E4M3FNUZ FLOAT8E5M2 FLOAT8E5M2FNUZ UINT4 INT4 FLOAT4E2M1 FLOAT8E8M0 "
    "UINT2 INT2"
).split()


def numbers(array):
    array = np.asarray(array)
    if np.iscomplexobj(array):
        array = np.abs(array.astype(np.complex128))
    array = array.astype("<f8", order="C")
    return np.where(np.isnan(array), np.nan, array).tobytes()


def fnv(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def entry(array):
    return {"shape": list(array.shape), "values": numbers(array).hex()}


def write(file, graph, values, **options):
    model = helper.make_model(graph, producer_name="loupe-tests", opset_imports=[helper.make_opsetid("", 21)])
    onnx.save(model, OUT / file, **options)
    expected[file] = {name: entry(array) for name, array in values.items()}


def sample(kind, shape):
    rng = np.random.default_rng(len(kind))
    base = rng.normal(0, 2, shape)
    dtype = helper.tensor_dtype_to_np_dtype(getattr(TensorProto, kind))
    if kind == "BOOL":
        return base > 0
    if kind.startswith("COMPLEX"):
        return (np.full(shape, 3 + 4j) * np.arange(1, base.size + 1).reshape(shape)).astype(dtype)
    if kind == "FLOAT8E8M0":
        return np.exp2(np.rint(base)).astype(dtype)
    if kind.startswith(("UINT", "INT")):
        bits = int(kind.lstrip("UINT"))
        low, high = (0, 2**bits) if kind[0] == "U" else (-(2 ** (bits - 1)), 2 ** (bits - 1))
        if bits == 64:
            low, high = low // 1024, high // 1024
        return rng.integers(low, high, shape, dtype=np.uint64 if low == 0 else np.int64).astype(dtype)
    return base.astype(dtype)


def types():
    """Each type as raw_data and in its typed field; an odd number of elements for packed ones."""
    tensors, values = [], {}
    for kind in TYPES:
        array = sample(kind, (3, 5))
        raw = numpy_helper.from_array(array, f"{kind.lower()}.raw")
        assert raw.HasField("raw_data"), kind
        typed = helper.make_tensor(f"{kind.lower()}.typed", getattr(TensorProto, kind), (3, 5), array.ravel())
        assert not typed.HasField("raw_data"), kind
        for tensor in (raw, typed):
            tensors.append(tensor)
            values[tensor.name] = numpy_helper.to_array(tensor)
            assert np.array_equal(numbers(values[tensor.name]), numbers(array)), tensor.name
    for shape in ((), (0, 4), (2, 3, 4)):
        tensor = numpy_helper.from_array(np.arange(np.prod(shape), dtype="f4").reshape(shape), "shape" + "x".join(map(str, shape)))
        tensors.append(tensor)
        values[tensor.name] = numpy_helper.to_array(tensor)
    write("types.onnx", helper.make_graph([], "types", [], [], tensors), values)


def body(name, inputs, outputs, nodes, tensors):
    return helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info(i, TensorProto.FLOAT, None) for i in inputs],
        [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in outputs],
        tensors,
    )


def graphs():
    """Constants, graphs inside of nodes, matrices on either side, and one name twice."""
    values = {}

    def tensor(name, shape, key=None):
        array = np.arange(np.prod(shape), dtype="f4").reshape(shape) + len(values) * 100
        values[key or name] = array
        return numpy_helper.from_array(array, name)

    inner = body("inner", [], ["ii"], [helper.make_node("Identity", ["w"], ["ii"])],
                 [tensor("w", (2, 2), "If_1.then_branch.Deep.else_branch.w")])
    inner2 = body("inner2", [], ["i2"], [
        helper.make_node("Constant", [], ["i2"], value=tensor("", (3,), "If_1.then_branch.Deep.then_branch.i2"))], [])
    then = body("then", [], ["t"], [
        helper.make_node("MatMul", ["x", "inside"], ["m"]),
        helper.make_node("MatMul", ["m", "outside"], ["t0"]),
        helper.make_node("If", ["cond"], ["t"], name="Deep", then_branch=inner2, else_branch=inner),
    ], [tensor("inside", (4, 6), "If_1.then_branch.inside")])
    other = body("else", [], ["e"], [
        helper.make_node("Constant", [], ["e"], value=tensor("ignored", (2, 3), "If_1.else_branch.e"))], [])
    scalar = np.float32(1.25)
    values.update({"c_float": scalar, "c_floats": np.float32([1, 2.5]), "c_int": np.int64(-3),
                   "c_ints": np.int64([4, -5, 2**40])})
    nodes = [
        helper.make_node("Constant", [], ["c_value"], value=tensor("x", (3, 2), "c_value")),
        helper.make_node("Constant", [], ["c_float"], value_float=1.25),
        helper.make_node("Constant", [], ["c_floats"], value_floats=[1, 2.5]),
        helper.make_node("Constant", [], ["c_int"], value_int=-3),
        helper.make_node("Constant", [], ["c_ints"], value_ints=[4, -5, 2**40]),
        helper.make_node("Constant", [], ["c_text"], value_string="no tensor"),
        helper.make_node("MatMul", ["x", "matmul.weight"], ["a"]),
        helper.make_node("Gemm", ["a", "gemm.in_out", "bias"], ["b"]),
        helper.make_node("Gemm", ["b", "gemm.out_in", "bias"], ["c"], transB=1),
        helper.make_node("Transpose", ["linear.weight"], ["linear.t"], perm=[1, 0]),
        helper.make_node("MatMul", ["c", "linear.t"], ["d"]),
        helper.make_node("Cast", ["half.weight"], ["half.cast"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["d", "half.cast"], ["e"]),
        helper.make_node("Conv", ["image", "conv.weight"], ["f"]),
        helper.make_node("If", ["cond"], ["g"], name="If_1", then_branch=then, else_branch=other),
    ]
    half = numpy_helper.from_array(np.arange(12, dtype="f2").reshape(3, 4), "half.weight")
    values["half.weight"] = numpy_helper.to_array(half)
    tensors = [half] + [tensor(n, s) for n, s in {
        "matmul.weight": (4, 6), "gemm.in_out": (6, 5), "gemm.out_in": (7, 5), "bias": (5,),
        "linear.weight": (8, 7), "conv.weight": (4, 3, 2, 2), "outside": (6, 3)}.items()]
    write("graphs.onnx", helper.make_graph(nodes, "graphs", [], [], tensors), values)


def external():
    (OUT / "external.bin").unlink(missing_ok=True)  # onnx appends
    values, tensors = {}, []
    for i, name in enumerate(("one", "two", "three")):
        array = (np.arange(40 + i, dtype="f4") - 7) / (i + 1)
        tensors.append(numpy_helper.from_array(array, name))
        values[name] = array
    write("external.onnx", helper.make_graph([], "external", [], [], tensors), values,
          save_as_external_data=True, location="external.bin", size_threshold=0)


def quantized():
    """DequantizeLinear per tensor, per axis and in blocks, of several types."""
    rng = np.random.default_rng(4)
    nodes, tensors, outputs, names = [], [], [], {}

    def add(name, codes, scale, zero, logical, **attributes):
        inputs = []
        for suffix, array in (("_quantized", codes), ("_scale", scale), ("_zero_point", zero)):
            if array is not None:
                tensors.append(numpy_helper.from_array(np.asarray(array), name + suffix))
                inputs.append(name + suffix)
        nodes.append(helper.make_node("DequantizeLinear", inputs, [name + "_out"], **attributes))
        outputs.append(helper.make_tensor_value_info(name + "_out", TensorProto.FLOAT16 if scale.dtype == np.float16 else TensorProto.FLOAT, None))
        names[name + "_out"] = logical

    codes = rng.integers(0, 256, (4, 6)).astype(np.uint8)
    add("tensor", codes, np.float32(0.037), np.uint8(131), "tensor")
    add("rows", rng.integers(-128, 128, (4, 6)).astype(np.int8), rng.random(4).astype("f4"), np.int8([1, -2, 3, 0]), "rows", axis=0)
    add("columns", rng.integers(-128, 128, (4, 6)).astype(np.int8), rng.random(6).astype("f4"), None, "columns", axis=-1)
    add("conv", rng.integers(-128, 128, (3, 2, 2, 2)).astype(np.int8), rng.random(3).astype("f4"), None, "conv", axis=0)
    add("half", rng.integers(-128, 128, (2, 5)).astype(np.int8), np.float16(0.1), None, "half")
    add("float8", sample("FLOAT8E4M3FN", (3, 4)), np.float32(0.5), None, "float8")
    add("blocks", rng.integers(0, 16, (7, 5)).astype(ml_dtypes.uint4), rng.random((3, 5)).astype("f4"),
        rng.integers(0, 16, (3, 5)).astype(ml_dtypes.uint4), "blocks", axis=0, block_size=3)
    add("wide", rng.integers(-8, 8, (3, 8)).astype(ml_dtypes.int4), rng.random((3, 2)).astype("f4"), None, "wide", axis=1, block_size=4)
    nodes.append(helper.make_node("MatMul", ["x", "tensor_out"], ["y"]))
    graph = helper.make_graph(nodes, "quantized", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 4])], outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)])
    results = ReferenceEvaluator(model).run([o.name for o in outputs], {"x": np.zeros((2, 4), "f4")})
    values = {names[o.name]: r for o, r in zip(outputs, results)}
    onnx.save(model, OUT / "quantized.onnx")
    expected["quantized.onnx"] = {name: entry(array) for name, array in values.items()}


def quantized_typed():
    """The same with numbers in int32_data and float_data, as onnxruntime's quantizer writes scales and zero points."""
    rng = np.random.default_rng(5)
    nodes, tensors, outputs, names = [], [], [], {}

    def add(name, codes, scale, zero, logical, **attributes):
        for part in (codes, scale, zero):
            tensors.extend([part] if part is not None else [])
        inputs = [part.name for part in (codes, scale, zero) if part is not None]
        nodes.append(helper.make_node("DequantizeLinear", inputs, [name + "_out"], **attributes))
        outputs.append(helper.make_tensor_value_info(name + "_out", TensorProto.FLOAT, None))
        names[name + "_out"] = logical

    def ints(kind, low, high, *shape):
        return rng.integers(low, high, shape).astype(kind)

    raw, make = numpy_helper.from_array, helper.make_tensor
    add("pair", raw(ints("u1", 0, 256, 4, 6), "pair_quantized"), make("pair_scale", TensorProto.FLOAT, [], [0.01]),
        make("pair_zero_point", TensorProto.UINT8, [], [131]), "pair")
    # Negative numbers are varints of ten bytes.
    add("rows", raw(ints("i1", -128, 128, 4, 6), "rows_quantized"), make("rows_scale", TensorProto.FLOAT, [4], rng.random(4).tolist()),
        make("rows_zero_point", TensorProto.INT8, [4], [1, -2, 0, -128]), "rows", axis=0)
    add("typed", make("typed_quantized", TensorProto.INT8, [3, 5], ints("i8", -128, 128, 15).tolist()),
        raw(np.float32(0.5), "typed_scale"), None, "typed")
    add("nibbles", make("nibbles_quantized", TensorProto.UINT4, [4, 6], ints("i8", 0, 16, 24).tolist()),
        make("nibbles_scale", TensorProto.FLOAT, [4, 2], rng.random(8).tolist()),
        make("nibbles_zero_point", TensorProto.UINT4, [4, 2], ints("i8", 0, 16, 8).tolist()), "nibbles", axis=1, block_size=3)
    # A stored tensor has the name that the weights of taken_quantized would get.
    add("taken", raw(ints("i1", -128, 128, 2, 3), "taken_quantized"), raw(np.float32(0.25), "taken_scale"), None, "taken (2)")
    tensors.append(raw(rng.random((2, 2)).astype("f4"), "taken"))
    nodes.append(helper.make_node("Identity", ["taken"], ["kept"]))
    outputs.append(helper.make_tensor_value_info("kept", TensorProto.FLOAT, [2, 2]))
    names["kept"] = "taken"
    graph = helper.make_graph(nodes, "typed", [], outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)])
    results = ReferenceEvaluator(model).run([o.name for o in outputs], {})
    onnx.save(model, OUT / "quantized_typed.onnx")
    expected["quantized_typed.onnx"] = {names[o.name]: entry(r) for o, r in zip(outputs, results)}


def collect(graph, path, into):
    for tensor in graph.initializer:
        into.append((path + tensor.name, tensor))
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Constant" and attribute.name == "value":
                into.append((path + node.output[0], attribute.t))
            if attribute.HasField("g"):
                collect(attribute.g, f"{path}{node.name or node.output[0]}.{attribute.name}.", into)


def testdata(folder):
    result = {}
    for path in sorted(folder.rglob("*.onnx")):
        found = []
        collect(onnx.load(path).graph, "", found)
        hashes = {}
        for name, tensor in found:
            if tensor.data_type != TensorProto.STRING and name not in hashes:
                array = numpy_helper.to_array(tensor)
                hashes[name] = {"shape": list(array.shape), "fnv1a64": fnv(numbers(array))}
        if hashes:
            result[str(path.relative_to(folder))] = hashes
    (OUT / "testdata.json").write_text(json.dumps(result, indent=0, sort_keys=True) + "\n")
    print(len(result), "models", sum(map(len, result.values())), "tensors")


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    types()
    graphs()
    external()
    quantized()
    quantized_typed()
    (OUT / "expected.json").write_text(json.dumps(expected, indent=0, sort_keys=True) + "\n")
    if len(sys.argv) > 2:
        testdata(Path(sys.argv[2]))
    print({f.name: f.stat().st_size for f in sorted(OUT.iterdir())})


main()
