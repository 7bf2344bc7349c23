"""Bytes to bytes and back, bit by bit: what several contexts expect of a bit is mixed by weights that learn.

For each context (the last byte, the last two, three, the word so far, ...) a slot holds the last seven bits that came
in it. What such a history is followed by is learned, context by context, as a chance p of a one. The chances are
mixed as s = sum_i w_i ln(p_i / (1 - p_i)), of which 1 / (1 + e^-s) is coded; then w_i += rate (bit - p) ln(p_i / (1 - p_i)).
All of it is in integers, so that every machine learns the same. A primer of the usual bytes is learned before the first.

Slow, and small where there is little to learn from: for some KiB. Mahoney, "Adaptive Weighing of Context Models for
Lossless Data Compression" (Florida Tech. CS-2005-16); the coder is Martin's range coder (1979).
"""

from __future__ import annotations

from copy import copy
from functools import cache
from operator import mul

CONTEXTS = 6
CHANCE_BITS = 16  # of a chance: 1 .. 2^16 - 1
SLOT_BITS = 22
HISTORIES = 256  # up to seven bits behind a one
MOST_COUNTED = 127  # observations of a history, each of which moves its chance by less
MOST_LOGIT = 2047  # of ln(p / (1 - p)), which is 12 then
LOGIT_STEP = 67503234  # 2^26 e^(12 / 2048)
FIRST_WEIGHT = 20000  # of 2^16
BIAS = 256
RATE_BITS = 14
_WORD = 0xFFFFFFFF
_TOP = 1 << 24  # below which the coder's range is widened by a byte


def _chances() -> list[int]:
    """Return 2^16 / (1 + e^-s) for s of -MOST_LOGIT .. MOST_LOGIT."""
    odds, upper = 1 << 20, [1 << CHANCE_BITS - 1]
    for _ in range(MOST_LOGIT):
        odds = odds * LOGIT_STEP >> 26
        upper.append((odds << CHANCE_BITS) // (odds + (1 << 20)))
    return [(1 << CHANCE_BITS) - each for each in reversed(upper[1:])] + upper


def _logits(chances: list[int]) -> list[int]:
    """Return the inverse: s by the twelve upper bits of a chance."""
    found, logit = [], 0
    for middle in range(8, 1 << CHANCE_BITS, 16):
        while logit < 2 * MOST_LOGIT and chances[logit] < middle:
            logit += 1
        found.append(logit - MOST_LOGIT)
    return found


def _first_chance(history: int) -> int:
    """Return what is expected after a history before that was learned: each bit halves the distance to itself."""
    chance = 1 << CHANCE_BITS - 1
    for bit in f"{history:b}"[1:]:
        chance += (1 << CHANCE_BITS) - chance >> 1 if bit == "1" else -(chance >> 1)
    return chance


_CHANCES = _chances()
_LOGITS = _logits(_CHANCES)
_RATES = [(2 << CHANCE_BITS) // (2 * count + 5) for count in range(MOST_COUNTED + 1)]
_NEXT = [[2 * each + bit if each < 128 else 128 | 2 * each & 127 | bit for each in range(HISTORIES)] for bit in (0, 1)]


class _Predictor:
    """Expects one bit after another, the highest of a byte first."""

    def __init__(self) -> None:
        self.slots = bytearray(b"\1") * (1 << SLOT_BITS)
        self.chances = [_first_chance(history) for history in range(HISTORIES)] * CONTEXTS
        self.counts = [0] * len(self.chances)
        self.weights = [[FIRST_WEIGHT] * (CONTEXTS + 1) for _ in range(8)]  # by the place of the bit in its byte
        self.recent = self.word = 0  # the last eight bytes, the last in the lowest; a hash of letters and digits
        self.byte = 1  # its bits so far, behind a one
        self._find_places()

    def copy(self) -> _Predictor:
        """Return one that knows the same, and learns by itself; between bytes only."""
        made = copy(self)
        made.slots, made.chances, made.counts = self.slots[:], self.chances[:], self.counts[:]
        made.weights = [each[:] for each in self.weights]
        return made

    def _find_places(self) -> None:
        """Find the 16 slots of each context, for four bits."""
        recent = self.recent
        contexts = (
            recent & 0xFF,
            recent & 0xFFFF,
            recent & 0xFFFFFF,
            self.word,
            recent >> 16 & 0xFF00 | recent >> 56,
            recent >> 8 & 0xFF,
        )
        self.places = []
        for index, context in enumerate(contexts):
            mixed = context * 0x9E3779B1 + (index << 8 | self.byte) * 0x85EBCA6B & _WORD
            mixed = (mixed ^ mixed >> 15) * 0xC2B2AE35 & _WORD
            self.places.append((index * HISTORIES, mixed >> 32 - SLOT_BITS & ~15))
        self.node = 1

    def chance(self) -> int:
        """Return the chance that the next bit is one, of 2^16."""
        slots, chances, node = self.slots, self.chances, self.node
        self.learned = [of + slots[place | node] for of, place in self.places]
        self.inputs = [_LOGITS[chances[each] >> 4] for each in self.learned]
        self.inputs.append(BIAS)
        self.chosen = self.weights[self.byte.bit_length() - 1]
        mixed = sum(map(mul, self.chosen, self.inputs)) >> 16
        self.expected = _CHANCES[max(-MOST_LOGIT, min(MOST_LOGIT, mixed)) + MOST_LOGIT]
        return self.expected

    def learn(self, bit: int) -> None:
        """Take in what the bit was, for which a chance was asked."""
        error, half = (bit << CHANCE_BITS) - self.expected, 1 << RATE_BITS - 1
        self.chosen[:] = [w + (x * error + half >> RATE_BITS) for w, x in zip(self.chosen, self.inputs, strict=True)]
        chances, counts, slots, node, after = self.chances, self.counts, self.slots, self.node, _NEXT[bit]
        for each in self.learned:
            chance, count = chances[each], counts[each]
            if bit:
                chances[each] = chance + (((1 << CHANCE_BITS) - chance) * _RATES[count] >> CHANCE_BITS)
            else:
                chances[each] = chance - (chance * _RATES[count] >> CHANCE_BITS)
            if count < MOST_COUNTED:
                counts[each] = count + 1
        for _, place in self.places:
            slots[place | node] = after[slots[place | node]]
        self.node = 2 * node + bit
        self.byte = 2 * self.byte + bit
        if self.byte > 0xFF:
            self._end_byte(self.byte & 0xFF)
        elif self.node > 15:
            self._find_places()

    def _end_byte(self, byte: int) -> None:
        self.recent = (self.recent << 8 | byte) & (1 << 64) - 1
        is_in_word = byte > 127 or chr(byte).isalnum()
        self.word = (self.word + (byte | 32)) * 0x9E3779B1 & _WORD if is_in_word else 0
        self.byte = 1
        self._find_places()


@cache
def _primed(primer: bytes) -> _Predictor:
    predictor = _Predictor()
    for byte in primer:
        for place in range(7, -1, -1):
            predictor.chance()
            predictor.learn(byte >> place & 1)
    return predictor


def encode(plain: bytes, primer: bytes = b"") -> bytes:
    """Return a stream of which `decode` makes the same bytes; it ends where nothing but zeros would follow."""
    predictor, low, width, stream = _primed(primer).copy(), 0, _WORD, bytearray()
    for byte in plain:
        for place in range(7, -1, -1):
            bit = byte >> place & 1
            bound = width * predictor.chance() >> CHANCE_BITS
            predictor.learn(bit)
            low, width = (low, bound) if bit else (low + bound, width - bound)
            if low > _WORD:
                _carry(stream)
                low &= _WORD
            while width < _TOP:
                stream.append(low >> 24)
                low, width = low << 8 & _WORD, width << 8
    ends = (-(-low >> zeros) << zeros for zeros in range(32, -1, -8))
    end = next(each for each in ends if each < low + width)
    if end > _WORD:
        _carry(stream)
    return bytes(stream + (end & _WORD).to_bytes(4, "big")).rstrip(b"\0")


def _carry(stream: bytearray) -> None:
    """Add one to the number that the bytes are."""
    place = len(stream) - 1
    while stream[place] == 0xFF:
        stream[place] = 0
        place -= 1
    stream[place] += 1


def decode(stream: bytes | memoryview, size_bytes: int, primer: bytes = b"") -> bytes:
    """Return the first `size_bytes` of what was encoded with the same primer; any stream is one of some bytes."""
    predictor, width, plain = _primed(primer).copy(), _WORD, bytearray()
    code, more = int.from_bytes(bytes(stream[:4]).ljust(4, b"\0"), "big"), iter(stream[4:])
    while len(plain) < size_bytes:
        byte = 1
        while byte < 0x100:
            bound = width * predictor.chance() >> CHANCE_BITS
            bit = int(code < bound)
            predictor.learn(bit)
            width, code = (bound, code) if bit else (width - bound, code - bound)
            while width < _TOP:
                code, width = code << 8 | next(more, 0), width << 8
            byte = 2 * byte + bit
        plain.append(byte & 0xFF)
    return bytes(plain)
