# SPDX-License-Identifier: Apache-2.0
# requires: CPython>=3.10, nothing else
"""Writes tests/golden/formats/decimals.csv: python3 tests/oracles/decimals.py > tests/golden/formats/decimals.csv

Literals, their codes in four formats and the errors of FP32 against the literal itself, all by fractions.Fraction.
"""
import random
from fractions import Fraction

LAYOUTS = {"fp64": (11, 52, 1023), "fp32": (8, 23, 127), "fp16": (5, 10, 15), "bf16": (8, 7, 127)}


def code_of(x, negative, layout):
    """IEEE code of |x|: nearest, ties to even, infinity beyond the range; the value too (None for infinity)."""
    e, m, bias = layout
    sign = (1 << (e + m)) if negative else 0
    a = abs(x)
    if a == 0:
        return sign, Fraction(0)
    exponent = a.numerator.bit_length() - a.denominator.bit_length()
    exponent -= 1 if a < Fraction(2) ** exponent else 0
    exponent = max(exponent, 1 - bias)
    unit = Fraction(2) ** (exponent - m)
    n = round(a / unit)  # Python rounds a Fraction half to even
    magnitude = ((exponent - 1 + bias) << m) + n
    infinity = ((1 << e) - 1) << m
    if magnitude >= infinity:
        return sign | infinity, None
    return sign | magnitude, n * unit


def to_double(x):
    try:
        return (x.numerator / x.denominator).hex()
    except OverflowError:
        return "inf"


def literals():
    rng = random.Random(20261122)
    yield from ["0", "-0", "1", "-1", ".5", "-.5", "5.", "1e0", "+2.5E+3", "0.1", "1e23", "9007199254740993", "1e-400", "1e400",
                "2.2250738585072011e-308", "2.2250738585072014e-308", "4.9406564584124654e-324", "2.4703282292062327e-324",
                "2.4703282292062328e-324", "1.7976931348623158e308", "1.7976931348623159e308", "65519.999999999999999999999",
                "65520", "3.4028235677973366e38", "3.40282356779733661637539395458142568447e38",
                "3.40282356779733661637539395458142568448e38", "0.000000000000000000000000000000000000000000001"]
    for _ in range(200):
        digits = "".join(rng.choice("0123456789") for _ in range(rng.randint(1, 40)))
        point = rng.randint(0, len(digits))
        yield f"{rng.choice(['', '-'])}{digits[:point]}.{digits[point:]}e{rng.choice([rng.randint(-12, 8), rng.randint(-50, 45), rng.randint(-350, 320)])}"
    # Exact midpoints, and the same with a last digit hundreds of places further on.
    for name, (e, m, bias) in LAYOUTS.items():
        for _ in range(12):
            unit = rng.randint(max(1 - bias - m, -160), 20) if name != "fp64" else rng.randint(-1074, -300)
            n = 2 * rng.randint(2**m, 2 ** (m + 1) - 1) + 1
            num, places = (n * 5 ** (1 - unit), 1 - unit) if unit < 1 else (n * 2 ** (unit - 1), 0)
            yield f"{num}e-{places}"
            yield f"{num}{'0' * 300}1e-{places + 301}"
            yield f"{num - 1}{'9' * 300}e-{places + 300}"


def main():
    print("text,fp64,fp32,fp16,bf16,absolute_error,relative_error")
    for text in literals():
        # Fraction reads the same grammar, but needs a digit before the point.
        body = text.lstrip("+-")
        x = Fraction(("0" + body) if body.startswith(".") else body)
        negative = text.startswith("-")
        row = []
        for layout in LAYOUTS.values():
            code, value = code_of(x, negative, layout)
            row.append(f"0x{code:0{(1 + layout[0] + layout[1]) // 4}X}")
            if layout == LAYOUTS["fp32"]:
                fp32 = value
        absolute = relative = ""
        if fp32 is not None:
            absolute = to_double(abs(fp32 - x))
            relative = to_double(abs(fp32 - x) / x) if x != 0 else "0x0p+0"
        print(",".join([text, *row, absolute, relative]))


if __name__ == "__main__":
    main()
