#!/usr/bin/env python3
"""Reads the test vectors by what ../PROTOCOL.md says, and shares no code with the program.

Layouts, values, bounds and types come from the tables of that page; the rules around them are
written here from its sentences. With "reader.py FILE…" it reads those files instead of its own.
It says how many vectors are as the page has it, and fails if one is not.
"""
import json
import re
import struct
import sys
from pathlib import Path

sys.dont_write_bytecode = True  # this is a folder of test data
import noise

HERE = Path(__file__).parent
PAGE = (HERE.parent / "PROTOCOL.md").read_text(encoding="utf-8")
WORD, M64 = 8, (1 << 64) - 1


def rows(part):
    """The rows of a generated table, without its head."""
    text = PAGE.split(f"<!-- generated: {part} -->\n")[1].split("<!-- end of generated -->")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip("` ") for cell in line.strip("|").split(" | ")] for line in lines[2:]]


BOUNDS = {name: int(value) for name, value, _ in rows("bounds")}
ITEMS = {kind: name for name, _, of in rows("bounds") if of.startswith("items of a list of ") for kind in re.split(", | or ", of[19:])}
VALUES = {what.split("`")[0]: {int(n) for n in re.findall(r"\d+", meanings)} for what, meanings in rows("values")}
LISTS = {name: re.match(r"a (u\d+) that counts, and so many times: (.*)", text) for name, text in rows("types")}
KINDS = {int(n): name for n, name in re.findall(r"^#### (\d+) (\w+)$", PAGE, re.M)}
HEADER = rows("Datagram header")
TYPES = {int(n): name for n, name in re.findall(r"(\d) ([A-Z_]+)", HEADER[0][2])}


class Refused(Exception):
    pass


class Reader:
    """Takes fields from the front of bytes; what is not there is refused with a word."""

    def __init__(self, data, word):
        self.data, self.word = data, word

    def need(self, condition):
        if not condition:
            raise Refused(self.word)

    def take(self, size):
        self.need(size <= len(self.data))
        taken, self.data = self.data[:size], self.data[size:]
        return taken

    def number(self, kind):
        return int.from_bytes(self.take(int(kind[1:]) // 8), "little")

    def fields(self, layout, body="CommandMax"):
        """Fields of (name, type); bytes are as long as the field before them says, and at most a bound."""
        found, last = {}, 0
        for name, kind in layout:
            if kind == "bytes":
                self.need(last <= BOUNDS[body])
                value = text(self.take(last))
            elif kind in ("cluster", "cookie", "digest"):
                value = self.take(16).hex()
            elif kind in LISTS and LISTS[kind]:
                value = self.items(*LISTS[kind].groups(), kind)
            else:
                value = last = self.number("u8" if kind == "flag" else kind)
                self.need(kind != "flag" or value <= 1)
                self.need(kind != "u8" or name not in VALUES or value in VALUES[name])
                value = str(value) if kind == "u64" else value
            found[name] = value
        return found

    def items(self, count, layout, kind):
        n = self.number(count)
        self.need(kind not in ITEMS or n <= BOUNDS[ITEMS[kind]])
        pairs = [part.split(" ")[::-1] for part in layout.split(", ")]
        return [self.fields(pairs, "ChunkMax" if kind == "parts" else "CommandMax") for _ in range(n)]

    def end(self):
        self.need(not self.data)


def layout(part):
    return [row[:2] for row in rows(part)]


def text(data):
    """Bytes as the vectors write them."""
    body = data.rstrip(b"\0")
    return f"{body.hex()}+{len(data) - len(body)}" if len(data) - len(body) > 32 else data.hex()


def unhex(digits):
    body, _, zeros = digits.partition("+")
    return bytes.fromhex(body) + bytes(int(zeros or 0))


def xxhash64(data):
    p1, p2, p3, p4, p5 = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5)
    rotate = lambda x, n: (x << n | x >> 64 - n) & M64
    mix = lambda acc, lane: rotate((acc + lane * p2) & M64, 31) * p1 & M64
    lanes, at = [(p1 + p2) & M64, p2, 0, -p1 & M64], 0
    while len(data) - at >= 32:
        for i, lane in enumerate(struct.unpack_from("<4Q", data, at)):
            lanes[i] = mix(lanes[i], lane)
        at += 32
    h = p5
    if at:
        h = sum(rotate(lane, n) for lane, n in zip(lanes, (1, 7, 12, 18))) & M64
        for lane in lanes:
            h = ((h ^ mix(0, lane)) * p1 + p4) & M64
    h = (h + len(data)) & M64
    for size, step in ((8, lambda h, v: rotate(h ^ mix(0, v), 27) * p1 + p4), (4, lambda h, v: rotate(h ^ v * p1 & M64, 23) * p2 + p3), (1, lambda h, v: rotate(h ^ v * p5 & M64, 11) * p1)):
        while len(data) - at >= size:
            h = step(h, int.from_bytes(data[at:at + size], "little")) & M64
            at += size
    for shift, prime in ((33, p2), (29, p3), (32, 1)):
        h = (h ^ h >> shift) * prime & M64
    return h


# ---- messages


def message(data):
    if len(data) < 1 + 16 + 4 * WORD:
        raise Refused("short")
    if len(data) > BOUNDS["MessageMax"]:
        raise Refused("long")
    if data[0] not in KINDS:
        raise Refused("kind")
    kind, r = KINDS[data[0]], Reader(data[1:], "fields")
    header = r.fields(layout("header"))
    fields = r.fields(layout(kind) if f"<!-- generated: {kind} -->" in PAGE else [])
    r.end()
    return {"kind": kind, "header": header, "fields": fields}


# ---- frames


def frame(r):
    kind = r.number("u8")
    if kind == 1:
        return {"frame": "PING"}
    if kind == 2:
        n, delay, largest, first = (r.number(k) for k in ("u8", "u16", "u64", "u32"))
        r.need(n <= 63 and 0 < first <= largest + 1)
        low = largest - first + 1
        acknowledged = [[str(low), str(largest)]]
        for _ in range(n):
            missing, length = r.number("u16"), r.number("u16")
            r.need(missing and length and missing + length <= low)
            low -= missing + length
            acknowledged.append([str(low), str(low + length - 1)])
        return {"frame": "ACK", "delay": delay, "acknowledged": acknowledged}
    if kind == 3:
        flags, length, id, cell, total = (r.number(k) for k in ("u8", "u16", "u64", "u32", "u32"))
        data, bare, compressed, end = r.take(length), bool(flags & 32), bool(flags & 16), cell * 64 + length
        r.need(not flags & ~0b110011 and not (compressed and flags & 3 in (0, 2)))
        r.need(length and id and total <= BOUNDS["MessageMax"] + (0 if bare else 8) and end <= total)
        r.need((bare or total > 8) and (end == total or length % 64 == 0))
        return {"frame": "DATA", "lane": flags & 3, "bare": bare, "compressed": compressed, "id": str(id), "cell": cell, "total": total, "bytes": text(data)}
    if kind in (5, 6):
        zeros, token = r.take(3), r.number("u64")
        r.need(not any(zeros) and token)
        return {"frame": "PATH_CHALLENGE" if kind == 5 else "PATH_RESPONSE", "token": str(token)}
    r.need(kind == 4)
    key, length, seq = (r.number(k) for k in ("u8", "u16", "u64"))
    r.need(key <= 31 and seq)
    return {"frame": "LATEST", "key": key, "seq": str(seq), "bytes": text(r.take(length))}


def one_frame(data):
    r = Reader(data, "frame")
    found = frame(r)
    r.end()
    return found


def reassembled(frames):
    """What comes of the frames of one message: its bytes, or None as long as cells are missing."""
    total, bare, compressed, cells = None, False, False, {}
    for f in map(one_frame, map(unhex, frames)):
        data = unhex(f["bytes"])
        if cells and (f["total"], f["bare"], f["compressed"]) != (total, bare, compressed):
            raise Refused("contradiction")
        total, bare, compressed = f["total"], f["bare"], f["compressed"]
        if bare and len(data) == total:
            return unpacked(data) if compressed else data
        cells.update({f["cell"] + at // 64: data[at:at + 64] for at in range(0, len(data), 64)})
    if len(cells) < (total + 63) // 64:
        return None
    body = b"".join(cells[i] for i in sorted(cells))
    if not bare:
        body, trailer = body[:-8], body[-8:]
        if xxhash64(body) != int.from_bytes(trailer, "little"):
            raise Refused("trailer")
    return unpacked(body) if compressed else body


def unpacked(block):
    """The message that a block of S2 stands for."""
    r, total, shift, out, offset = Reader(block, "block"), 0, 0, bytearray(), 0
    while True:
        byte = r.number("u8")
        total, shift = total | (byte & 127) << shift, shift + 7
        if byte < 128:
            break
        r.need(shift < 35)
    r.need(0 < total <= BOUNDS["MessageMax"])
    while r.data:
        tag = r.number("u8")
        kind, length, size = tag & 3, (tag >> 2) + 1, 0
        if kind == 0:
            if length > 60:
                length = int.from_bytes(r.take(length - 60), "little") + 1
            r.need(length <= total - len(out))
            out += r.take(length)
            continue
        if kind == 1:
            length, low = (tag >> 2 & 7) + 4, r.number("u8")
            if tag >> 5 or low:
                offset = tag >> 5 << 8 | low
            elif length > 8:
                length = (8, 260, 65540)[length - 9] + int.from_bytes(r.take(length - 8), "little")
        else:
            offset = r.number("u16" if kind == 2 else "u32")
        r.need(0 < offset <= len(out) and length <= total - len(out))
        for _ in range(length):
            out.append(out[-offset])
    r.need(len(out) == total)
    return bytes(out)


# ---- datagrams


def binding(b):
    if b["of"] != "DATA":
        return xxhash64(struct.pack("<BQ16s", b["of"] != "DENIAL", int(b.get("nonce", 0)), b["of"].encode()))
    ends = [int(b[end][field]) for end in ("initiator", "responder") for field in ("id", "inc", "nonce")]
    return xxhash64(struct.pack("<B6Q", 1, *ends)) + (b["from"] == "responder") * 0x9E3779B97F4A7C15 & M64


def forged(call, *args):
    try:
        return call(*args)
    except noise.Forged:
        raise Refused("forged") from None


def key_id(key):
    return str(int.from_bytes(noise.mac(key, b"vrnode key id")[:8], "big"))


def handshake(secure, hello):
    """The handshake that a HELLO has begun, and the fields in it. The datagram has been checked."""
    r = Reader(hello[24:24 + int.from_bytes(hello[2:4], "little")], "handshake")
    greeting = r.fields(layout("HELLO"))
    for key in map(bytes.fromhex, secure["keys"]):
        if key_id(key) == greeting["key"]:
            state = noise.Handshake(key, b"vrnode\1")
            return state, greeting, forged(state.read, r.data)
    raise Refused("key")


def opened(secure, h, data):
    """The frames of DATA of secure mode, at who has received some numbers with the first key."""
    numbers, number = [int(n) for n in secure["received"]], int(h["number"])
    if number in numbers or numbers and number + 16384 <= max(numbers):
        raise Refused("replayed")
    state, _, _ = handshake(secure, unhex(secure["hello"]))
    answer = unhex(secure["hello_ack"])
    state.read(answer[24:24 + int.from_bytes(answer[2:4], "little")], bytes.fromhex(secure["private"]))
    key, phase = state.split()[secure["from"] == "responder"], h["flags"] >> 3 & 3
    if phase > 1:
        raise Refused("forged")  # neither this key nor the next one
    for _ in range(phase):
        key = noise.rekey(key)
    return forged(noise.unseal, key, number, data[:16], data[16:])[:h["length"]]


def inside(secure, kind, data, payload):
    """The payload of a datagram of secure mode as it is in plain mode."""
    if kind == "HELLO":
        return payload[:24] + handshake(secure, data)[2]
    if kind == "HELLO_ACK":
        return forged(handshake(secure, unhex(secure["hello"]))[0].read, payload, bytes.fromhex(secure["private"]))
    if kind == "RESET":
        fields, code = payload[:-16], payload[-16:]
        if len(payload) == 36 and code not in [noise.mac(noise.mac(k, b"vrnode RESET"), fields)[:16] for k in map(bytes.fromhex, secure["keys"])]:
            raise Refused("forged")
        return fields
    return payload


def datagram(data, bind, secure=None):
    if not 24 <= len(data) <= BOUNDS["DatagramMax"]:
        raise Refused("length")
    h = Reader(data, "length").fields([row[:2] for row in HEADER])
    kind = TYPES.get(h["vt"] & 15)
    sealed = kind == "DATA" and h["flags"] >> 7
    for bad, word in ((h["vt"] >> 4 != 1, "version"), (not kind, "type"), (h["flags"] & (102 if sealed else 126), "flags"),
                      (h["length"] > len(data) - (32 if sealed else 24), "length"),
                      ((h["flags"] >> 7) != (secure is not None) and kind != "DENIAL", "plain" if secure else "sealed"),
                      (not sealed and xxhash64(data[:16] + struct.pack("<Q", bind) + data[24:]) != int(h["sum"]), "checksum"),
                      (kind == "HELLO" and len(data) < 1200, "handshake")):
        if bad:
            raise Refused(word)
    found = {"type": kind, "flags": h["flags"], "length": h["length"], "to": h["to"], "number": h["number"]}
    payload = data[24:24 + h["length"]]
    if secure:
        payload = opened(secure, h, data) if sealed else inside(secure, kind, data, payload)
    r = Reader(payload, "frame" if kind == "DATA" else "handshake")
    if kind == "DATA":
        found["frames"] = []
        try:
            while r.data:
                found["frames"].append(frame(r))
        except Refused as refused:
            refused.args += (found,)  # the frames before were applied
            raise
        return found
    if kind == "HELLO":
        found["greeting"] = r.fields(layout("HELLO"))
    name, part = {"RESET": ("reset", "RESET"), "DENIAL": ("denial", "DENIAL")}.get(kind, ("hello", "HELLO and HELLO_ACK"))
    found[name] = r.fields(row for row in layout(part) if row[0] != "mac")  # which plain mode does not have
    r.end()
    r.need(kind != "DENIAL" or 1 <= found[name]["reason"] <= 7)
    r.need(name != "hello" or found[name]["session"] and found[name]["nonce"] != "0")
    return found


# ---- vectors


def outcome(v):
    """What a vector is by the page: all its members but those that are given."""
    if "xxhash64" in v:
        return {"xxhash64": str(xxhash64(unhex(v["bytes"])))}
    if "chain" in v:
        return {"chain": str(xxhash64(struct.pack("<Q", int(v["before"])) + unhex(v["entry"])))}
    try:
        if "frames" in v:
            whole = reassembled(v["frames"])
            return {"incomplete": True} if whole is None else {"message": text(whole)}
        if v.get("of") == "datagram":
            bind = binding(v["binding"]) if "binding" in v else 0
            if "binding" in v and str(bind) != v["binding"]["value"]:
                return {"binding": str(bind)}
            return {"decoded": datagram(unhex(v["bytes"]), bind, v.get("secure"))}
        return {"decoded": (one_frame if v["of"] == "frame" else message)(unhex(v["bytes"]))}
    except Refused as refused:
        return {"refused": refused.args[0], **{"decoded": d for d in refused.args[1:]}}


GIVEN = {"name", "of", "bytes", "before", "entry", "frames", "binding", "secure"}


def main(files):
    count, wrong = 0, 0
    for file in files:
        for v in json.loads(Path(file).read_text()):
            count += 1
            said, found = {k: v[k] for k in v if k not in GIVEN}, outcome(v)
            if said != found:
                wrong += 1
                print(f"{file}: {v['name']}:\n  the vector says {said}\n  the page says   {found}")
    print(f"{count - wrong} of {count} vectors are as the page has it")
    return 1 if wrong or not count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or sorted((HERE / "vectors").glob("*.json"))))
