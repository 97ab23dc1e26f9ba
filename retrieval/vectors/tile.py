"""Several queries in one pass over 8-bit codes, by an instruction that multiplies and adds four bytes.

A 16-bit number is 256 times one signed byte plus another, so eight queries are the sixteen lanes of one
register of 512 bits: eight high bytes, eight low ones. Sums of a tile of rows with all queries stay in
registers; four codes of a row at a time are spread to all lanes. Numba has no name for the instruction
(VPDPBUSD of AVX-512 VNNI), nor a loop from which it would make such a tile, so it is written out for LLVM.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils as untyped_cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

cgutils: Any = untyped_cgutils  # it says nothing of its types

QUERIES = 8  # of one register
REGISTERS = 3  # at most: with them, the sums of 8 rows and what is multiplied fill the processor's 32
ROWS = 8  # of a tile
_GROUP = 4  # codes multiplied at once

_WORD, _LONG, _POINTER = ir.IntType(32), ir.IntType(64), ir.IntType(8).as_pointer()
_EIGHT, _LANES = ir.VectorType(_WORD, QUERIES), ir.VectorType(_WORD, 2 * QUERIES)
_BYTES = ir.VectorType(ir.IntType(8), _GROUP * 2 * QUERIES)


def fits(queries: int, codes: NDArray[np.uint8]) -> bool:
    """Whether this processor can take several queries over such codes (n, d)."""
    return queries > 2 and codes.shape[1] % _GROUP == 0 and _is_there()


@cache
def _is_there() -> bool:
    # Earlier versions of LLVM want other types of the instruction.
    features = llvmlite.binding.get_host_cpu_features()
    return llvmlite.binding.llvm_version_info >= (22,) and bool(features.get("avx512vnni"))


def packs(whole: NDArray[np.int16]) -> Iterator[tuple[slice, NDArray[np.int8]]]:
    """Queries (q, d) of whole numbers, up to 24 at a time: which, and their bytes for `multiply`.

    The bytes have shape (d/4, n, 16, 4) for n registers.
    """
    high = (whole.astype(np.int32) + 128) >> 8
    parts = np.stack([high, whole - 256 * high], axis=1).astype(np.int8)  # (q, 2, d)
    for start in range(0, len(whole), REGISTERS * QUERIES):
        some = slice(start, min(start + REGISTERS * QUERIES, len(whole)))
        registers = -(-(some.stop - start) // QUERIES)
        lanes = np.zeros((registers * QUERIES, *parts.shape[1:]), dtype=np.int8)
        lanes[: some.stop - start] = parts[some]
        lanes = lanes.reshape(registers, QUERIES, 2, -1, _GROUP).transpose(3, 0, 2, 1, 4)
        yield some, np.ascontiguousarray(lanes).reshape(len(lanes), registers, 2 * QUERIES, _GROUP)


def _multiply(_typing: Any, rows: Any, packed: Any, sums: Any, at: Any, ahead: Any) -> Any:
    """Sums of products of packed queries with a tile's rows of codes (8, d), all contiguous.

    They go into ``sums`` (8 n, m), from the column ``at`` on.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows, queries, out, at, ahead = (
            context.make_array(kind)(context, builder, value) if isinstance(kind, types.Array) else value
            for kind, value in zip(signature.args, arguments, strict=True)
        )
        length = cgutils.unpack_tuple(builder, rows.shape)[1]
        soon = builder.bitcast(ahead.data, _POINTER)
        groups, registers = cgutils.unpack_tuple(builder, queries.shape)[:2]
        count = cgutils.unpack_tuple(builder, out.shape)[1]
        for known in range(1, REGISTERS + 1):  # how many sums there are must be known, to keep them there
            with builder.if_then(builder.icmp_signed("==", registers, _LONG(known))):
                totals = _products(builder, rows.data, length, queries.data, groups, known, soon)
                for query, eight in enumerate(_by_query(builder, totals)):
                    place = builder.add(builder.mul(count, _LONG(query)), at)
                    target = builder.bitcast(builder.gep(out.data, [place]), _EIGHT.as_pointer())
                    builder.store(eight, target, align=4)
        return context.get_dummy_value()

    return types.void(rows, packed, sums, types.int64, ahead), generate


multiply: Any = intrinsic(_multiply)


def _products(
    builder: Any, codes: Any, length: Any, packed: Any, groups: Any, registers: int, soon: Any
) -> list[list[Any]]:
    """Sums of each row of a tile with each register of queries."""
    instruction = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(_LANES, [_LANES, _BYTES, _BYTES]), "llvm.x86.avx512.vpdpbusd.512"
    )
    fetch = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(ir.VoidType(), [_POINTER, _WORD, _WORD, _WORD]), "llvm.prefetch.p0"
    )
    start = builder.bitcast(codes, _POINTER)
    row_at = [builder.gep(start, [builder.mul(length, _LONG(row))]) for row in range(ROWS)]
    queries, nothing = builder.bitcast(packed, _BYTES.as_pointer()), ir.Constant(_LANES, None)
    totals = [[cgutils.alloca_once_value(builder, nothing) for _ in range(registers)] for _ in range(ROWS)]
    with cgutils.for_range(builder, groups) as loop:
        at, first = builder.mul(loop.index, _LONG(_GROUP)), builder.mul(loop.index, _LONG(registers))
        if registers > 1:
            line = builder.gep(soon, [builder.mul(at, _LONG(ROWS))])
            builder.call(fetch, [line, _WORD(0), _WORD(2), _WORD(1)])
        places = [builder.gep(queries, [builder.add(first, _LONG(one))]) for one in range(registers)]
        operands = [builder.load(place, align=1) for place in places]
        for row in range(ROWS):
            where = builder.bitcast(builder.gep(row_at[row], [at]), _WORD.as_pointer())
            four = builder.insert_element(nothing, builder.load(where, align=1), _WORD(0))
            spread = builder.bitcast(builder.shuffle_vector(four, nothing, _of(16 * [0])), _BYTES)
            for total, operand in zip(totals[row], operands, strict=True):
                builder.store(builder.call(instruction, [builder.load(total), spread, operand]), total)
    return [[builder.load(total) for total in row] for row in totals]


def _by_query(builder: Any, totals: list[list[Any]]) -> Iterator[Any]:
    """The sums of each query with the eight rows of a tile."""
    for of_rows in zip(*totals, strict=True):
        sums = []
        for total in of_rows:
            high, low = (builder.shuffle_vector(total, total, _of(range(at, at + 8))) for at in (0, 8))
            sums.append(builder.add(builder.shl(high, ir.Constant(_EIGHT, 8 * [8])), low))
        yield from _transposed(builder, sums)


def _transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """Eight vectors of eight as their columns: neighbours change lanes, then pairs, then fours."""
    for step in (1, 2, 4):
        first = _of(lane if not lane & step else lane - step + 8 for lane in range(8))
        second = _of(lane + step if not lane & step else lane + 8 for lane in range(8))
        rows = [
            builder.shuffle_vector(rows[row & ~step], rows[row | step], second if row & step else first)
            for row in range(8)
        ]
    return rows


def _of(lanes: Iterable[int]) -> Any:
    chosen = list(lanes)
    return ir.Constant(ir.VectorType(_WORD, len(chosen)), chosen)
