"""The codings of a packed file; `KINDS` is the one table of all of them."""

from __future__ import annotations

from edgecompress.packing.codings.base import Coding
from edgecompress.packing.codings.composed import Codebook, Packed, Sparse
from edgecompress.packing.codings.plain import Fill, Raw
from edgecompress.packing.codings.planes import Planes
from edgecompress.packing.codings.product import Product
from edgecompress.packing.codings.scaled import Scaled
from edgecompress.packing.codings.scaled_codebook import ScaledCodebook
from edgecompress.packing.codings.symbols import Symbols

KINDS: dict[int, type[Coding]] = {
    each.kind: each for each in (Raw, Fill, Planes, Symbols, Codebook, Sparse, Scaled, Packed, Product, ScaledCodebook)
}
