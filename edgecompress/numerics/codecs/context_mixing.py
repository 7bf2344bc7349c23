"""Bytes to bytes and back, bit by bit: what several contexts expect of a bit is mixed by weights that learn.

For each context (the last byte, the last two, the letters of a word so far, ...) a slot holds the last seven bits that
came in it. By what chance p a one follows such a history is learned, context by context; and by what chance the byte
comes that followed the last four bytes before. What is coded is the chance 1 / (1 + e^-s) of

    s = sum_i w_i ln(p_i / (1 - p_i)),  after which  w_i += rate (bit - chance) ln(p_i / (1 - p_i)).

All of it is in integers, so that every machine learns the same. A primer of usual bytes is learned before the first.
Slow, and small where there is little to learn from: for some KiB. Mahoney, "Adaptive Weighing of Context Models for
Lossless Data Compression" (Florida Tech, CS-2005-16); the bits are written by a range coder (Martin 1979).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from copy import deepcopy
from functools import cache
from operator import mul

CONTEXTS = 6
CHANCE_BITS = 16  # of a chance: 1 .. 2^16 - 1
SLOT_BITS, PLACE_BITS = 22, 16
HISTORIES = 256  # up to seven bits behind a one
MOST_COUNTED = 127  # observations of a history, each of which moves its chance by less
MOST_LOGIT = 2047  # of ln(p / (1 - p)), which is 12 then
LOGIT_STEP = 67503234  # 2^26 e^(12 / 2048)
FIRST_WEIGHT = 20000  # of 2^16
BIAS = 256
LONG, LONGEST = 16, 32  # bytes that went on as before
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


def _first_of_matches() -> list[int]:
    """Return what is expected where nothing goes on as before, and then, for each length, of a zero and of a one."""
    rests = [(1 << CHANCE_BITS) // (2 * length + 5) for length in range(1, LONGEST + 1)]
    return [1 << CHANCE_BITS - 1] * 2 + [each for rest in rests for each in (rest, (1 << CHANCE_BITS) - rest)]


_CHANCES = _chances()
_LOGITS = _logits(_CHANCES)
_MATCHES = CONTEXTS * HISTORIES  # behind the histories of the contexts: those of what went on as before
_FIRST_HISTORIES = range(0, _MATCHES, HISTORIES)
_RATES = [(2 << CHANCE_BITS) // (2 * count + 5) for count in range(MOST_COUNTED + 1)]
_NEXT = [[2 * each + bit if each < 128 else 128 | 2 * each & 127 | bit for each in range(HISTORIES)] for bit in (0, 1)]


class _Past:
    """The bytes so far, and what in them the next one depends on."""

    def __init__(self) -> None:
        self.seen = bytearray()
        self.recent = self.word = 0  # the last eight bytes, the last in the lowest; a hash of letters and digits
        self.places: dict[int, int] = {}  # where it went on the last time, by a hash of the last four bytes
        self.match = self.length = 0  # where it is expected to go on as before, and for how many bytes it did

    def add(self, byte: int) -> None:
        """Take in the next byte."""
        is_in_word = byte > 127 or chr(byte).isalnum()
        self.word = (self.word + (byte | 32)) * 0x9E3779B1 & _WORD if is_in_word else 0
        self.recent = (self.recent << 8 | byte) & (1 << 64) - 1
        is_expected = self.length and self.seen[self.match] == byte
        self.length, self.match = min(self.length + 1, LONGEST) if is_expected else 0, self.match + 1
        self.seen.append(byte)
        place = ((self.recent & _WORD) * 0x9E3779B1 & _WORD) >> 32 - PLACE_BITS
        if not self.length:
            self.match = self.places.get(place, 0)
            self.length = int(self.match > 0)
        self.places[place] = len(self.seen)

    def slots(self, byte: int) -> list[int]:
        """Return where the 16 slots of each context begin, for the four bits behind those of `byte`."""
        recent, found = self.recent, []
        contexts = (
            recent & 0xFF,
            recent & 0xFFFF,
            recent & 0xFFFFFF,
            self.word,
            recent >> 16 & 0xFF00 | recent >> 56,
            recent >> 8 & 0xFF,
        )
        for index, context in enumerate(contexts):
            mixed = context * 0x9E3779B1 + (index << 8 | byte) * 0x85EBCA6B & _WORD
            found.append(((mixed ^ mixed >> 15) * 0xC2B2AE35 & _WORD) >> 32 - SLOT_BITS & ~15)
        return found


class _Predictor:
    """What bits have taught."""

    def __init__(self) -> None:
        self.past = _Past()
        self.slots = bytearray(b"\1") * (1 << SLOT_BITS)  # the history of each context
        self.chances = [_first_chance(each) for each in range(HISTORIES)] * CONTEXTS + _first_of_matches()
        self.counts = [0] * len(self.chances)  # how often each history was seen
        self.weights = [[FIRST_WEIGHT] * (CONTEXTS + 2) for _ in range(3)]  # by how long it went on as before

    def chances_of_ones(self) -> Generator[int, int, None]:
        """Yield the chance of a one, of 2^16, for each bit to come, and be sent the bit; a byte's highest is first."""
        past, slots, chances, counts = self.past, self.slots, self.chances, self.counts
        while True:
            byte = 1  # its bits so far, behind a one
            length, match = past.length, past.seen[past.match] | 0x100 if past.length else 0
            for index in range(8):
                if index % 4 == 0:
                    places, node = past.slots(byte), 1
                if match >> 8 - index != byte:
                    length = 0
                histories = [first | slots[place | node] for first, place in zip(_FIRST_HISTORIES, places, strict=True)]
                histories.append(_MATCHES + (2 * length + (match >> 7 - index & 1) if length else 0))
                inputs = [_LOGITS[chances[each] >> 4] for each in histories]
                inputs.append(BIAS)
                weights = self.weights[(length > 0) + (length >= LONG)]
                mixed = sum(map(mul, weights, inputs)) >> 16
                expected = _CHANCES[max(-MOST_LOGIT, min(MOST_LOGIT, mixed)) + MOST_LOGIT]
                bit = yield expected
                aim, after = bit << CHANCE_BITS, _NEXT[bit]
                error, half = aim - expected, 1 << RATE_BITS - 1
                weights[:] = [w + (x * error + half >> RATE_BITS) for w, x in zip(weights, inputs, strict=True)]
                for place in places:
                    slots[place | node] = after[slots[place | node]]
                for each in histories:
                    count = counts[each]
                    chances[each] += (aim - chances[each]) * _RATES[count] >> CHANCE_BITS
                    if count < MOST_COUNTED:
                        counts[each] = count + 1
                byte, node = byte << 1 | bit, node << 1 | bit
            past.add(byte & 0xFF)


def _bits(plain: bytes) -> Iterator[int]:
    return (byte >> place & 1 for byte in plain for place in range(7, -1, -1))


@cache
def _primed(primer: bytes) -> _Predictor:
    predictor = _Predictor()
    chances = predictor.chances_of_ones()
    next(chances)
    for bit in _bits(primer):
        chances.send(bit)
    return predictor


def encode(plain: bytes, primer: bytes = b"") -> bytes:
    """Return a stream of which `decode` makes the same bytes; it ends where nothing but zeros would follow."""
    chances, low, width, stream = deepcopy(_primed(primer)).chances_of_ones(), 0, _WORD, bytearray()
    chance = next(chances)
    for bit in _bits(plain):
        bound = width * chance >> CHANCE_BITS
        chance = chances.send(bit)
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
    chances, width, plain = deepcopy(_primed(primer)).chances_of_ones(), _WORD, bytearray()
    code, more = int.from_bytes(bytes(stream[:4]).ljust(4, b"\0"), "big"), iter(stream[4:])
    chance = next(chances)
    while len(plain) < size_bytes:
        byte = 1
        while byte < 0x100:
            bound = width * chance >> CHANCE_BITS
            bit = int(code < bound)
            chance = chances.send(bit)
            width, code = (bound, code) if bit else (width - bound, code - bound)
            while width < _TOP:
                code, width = code << 8 | next(more, 0), width << 8
            byte = byte << 1 | bit
        plain.append(byte & 0xFF)
    return bytes(plain)
