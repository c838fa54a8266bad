# SPDX-License-Identifier: BSD-3-Clause
"""The constants of activations.inl, computed with mpmath.

`python fit_activations.py` prints them, `--write` puts them between the markers of activations.inl, and
`--check` says whether what stands there is what this script computes (exit code 1 if not).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mpmath import mp, mpf

Function = Callable[[mpf], mpf]
TARGET = Path(__file__).with_name("activations.inl")
BEGIN, END = "// BEGIN fit_activations.py", "// END fit_activations.py"
mp.dps = 50


@dataclass(frozen=True)
class Format:
    """A floating-point type, and how long the polynomials must be for it."""

    name: str
    suffix: str
    precision: int  # bits of the significand
    exponent_bits: int
    exp_terms: int  # enough to truncate exp by less than 1/6 ULP
    mills_terms: int  # likewise the Mills ratio
    mills_center: str  # where the polynomial converges fastest
    tanh_limit: int  # beyond these abs(x) tanh is 1, and silu and both gelus are 0 or x: what is left is
    silu_limit: int  # less than half an ULP or half the least subnormal number
    gelu_limit: int
    gelu_tanh_limit: int

    def round(self, value: mpf) -> mpf:
        with mp.workprec(self.precision):
            return +value

    def literal(self, value: mpf) -> str:
        rounded = float(self.round(value))
        significand, exponent = rounded.hex().split("p")
        if rounded.is_integer():
            return f"{rounded}{self.suffix}"
        return f"{significand.rstrip('0').rstrip('.')}p{int(exponent)}{self.suffix}"


FLOAT = Format("float", "F", 24, 8, 5, 11, "4.5", 10, 110, 15, 11)
DOUBLE = Format("double", "", 53, 11, 10, 23, "5", 20, 760, 39, 22)

# Near sqrt(pi / 2) the fraction is flat at a = 0, so that the rounding of t does not matter there. Of the
# multiples of 1/128 (a + offset must lose no bit of offset) this one leaves a constant coefficient that float
# and double represent to 1/50 ULP.
MILLS_OFFSET = mpf(155) / 128


def interpolate(f: Function, low: mpf, high: mpf, terms: int) -> list[mpf]:
    """Coefficients (constant first) of the polynomial through f at the Chebyshev nodes of [low, high]."""
    middle, half = (high + low) / 2, (high - low) / 2
    nodes = [middle + half * mp.cospi((mpf(j) + mpf(1) / 2) / terms) for j in range(terms)]
    table = [f(x) for x in nodes]  # divided differences, in place
    for order in range(1, terms):
        for j in range(terms - 1, order - 1, -1):
            table[j] = (table[j] - table[j - 1]) / (nodes[j] - nodes[j - order])
    coefficients: list[mpf] = []
    for j in range(terms - 1, -1, -1):  # p := p * (x - nodes[j]) + table[j]
        shifted = [mpf(0), *coefficients]
        for i, c in enumerate(coefficients):
            shifted[i] -= nodes[j] * c
        shifted[0] += table[j]
        coefficients = shifted
    return coefficients


def exp_tail(r: mpf) -> mpf:
    """q in exp(-r) = 1 - r + r^2 q(r)."""
    return (mp.exp(-r) - 1 + r) / r**2 if r else mpf(1) / 2


def mills_fraction(t: mpf, center: mpf, offset: mpf) -> mpf:
    """C(t) = (a + offset) exp(a^2 / 2) Phi(-a), t = (a - center) / (a + center)."""
    a = center * (1 + t) / (1 - t)
    return (a + offset) * mp.exp(a * a / 2) * mp.erfc(a / mp.sqrt(2)) / 2


def error(f: Function, fitted: list[mpf], low: mpf, high: mpf, relative_to: Function) -> str:
    """The greatest abs(fitted - f) / relative_to on [low, high], as a power of two."""
    points = [low + (high - low) * (mpf(i) + mpf("0.37")) / 400 for i in range(400)]
    worst = max(abs((mp.polyval(fitted[::-1], x) - f(x)) / relative_to(x)) for x in points)
    return f"2^{float(mp.log(worst, 2)):.1f}"


def constants(fmt: Format) -> str:
    ln2_unit = mpf(2) ** (fmt.exponent_bits - fmt.precision)  # k * ln2_high is exact for every exponent k
    ln2_high = mp.floor(mp.ln(2) / ln2_unit) * ln2_unit
    linear, cubic = mp.sqrt(8 / mp.pi), mp.sqrt(8 / mp.pi) * mpf("0.044715")

    half_step = mp.ln(2) / 2
    tail = interpolate(exp_tail, -half_step, half_step, fmt.exp_terms)
    tail_error = error(exp_tail, tail, -half_step, half_step, lambda r: mp.exp(-r) / r**2)

    center = mpf(fmt.mills_center)
    t_high = (fmt.gelu_limit - center) / (fmt.gelu_limit + center)

    def fraction(t: mpf) -> mpf:
        return mills_fraction(t, center, MILLS_OFFSET)

    mills = interpolate(fraction, mpf(-1), t_high, fmt.mills_terms)
    mills_error = error(fraction, mills, mpf(-1), t_high, fraction)

    scalars = {
        "splitter": mpf(2) ** ((fmt.precision + 1) // 2) + 1,
        "least_exponent": mpf(2 - 2 ** (fmt.exponent_bits - 1)),
        "minus_log2e": -1 / mp.ln(2),
        "ln2_high": ln2_high,
        "ln2_low": mp.ln(2) - ln2_high,
        "tanh_limit": mpf(fmt.tanh_limit),
        "silu_limit": mpf(fmt.silu_limit),
        "gelu_limit": mpf(fmt.gelu_limit),
        "gelu_tanh_limit": mpf(fmt.gelu_tanh_limit),
        "gelu_tanh_linear": linear,
        "gelu_tanh_linear_low": linear - fmt.round(linear),
        "gelu_tanh_cubic": cubic,
        "gelu_tanh_cubic_low": cubic - fmt.round(cubic),
        "mills_center": center,
        "mills_offset": MILLS_OFFSET,
        "mills_middle": mills[0],
    }
    arrays = {
        f"exp_tail[{fmt.exp_terms}] = {{  // relative error of exp {tail_error}": tail,
        f"mills_slope[{fmt.mills_terms - 1}] = {{  // of the fraction {mills_error}": mills[1:],
    }
    member = f"    static constexpr {fmt.name}"
    lines = ["template <>", f"struct Constants<{fmt.name}> {{"]
    lines += [f"{member} {name} = {fmt.literal(value)};" for name, value in scalars.items()]
    for head, values in arrays.items():
        lines += [f"{member} {head}", *(f"        {fmt.literal(value)}," for value in values), "    };"]
    return "\n".join([*lines, "};"])


def main() -> int:
    block = f"{BEGIN}\n{constants(FLOAT)}\n\n{constants(DOUBLE)}\n{END}"
    if sys.argv[1:] == []:
        print(block)
        return 0
    text = TARGET.read_text()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    new = before + block + after
    if sys.argv[1:] == ["--write"]:
        TARGET.write_text(new)
        return 0
    if sys.argv[1:] == ["--check"]:
        print("activations.inl is up to date" if new == text else "activations.inl differs: run with --write")
        return int(new != text)
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main())
