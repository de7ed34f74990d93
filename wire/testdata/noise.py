"""The cryptography of section 5 of ../PROTOCOL.md, written from the Noise Protocol Framework (revision
34), RFC 7748 (X25519), FIPS 197 (AES) and NIST SP 800-38D (GCM). It is slow and takes its time from
the data: for test vectors only.
"""
import hashlib
import hmac

PROTOCOL = b"Noise_NNpsk0_25519_AESGCM_SHA256"
TAG = 16


class Forged(Exception):
    pass


def mac(key, data):
    return hmac.digest(key, data, "sha256")


# ---- X25519


def x25519(scalar, point=(9).to_bytes(32, "little")):
    p = 2**255 - 19
    k = int.from_bytes(scalar, "little") & ~(7 | 1 << 255) | 1 << 254
    x1 = int.from_bytes(point, "little") & (1 << 255) - 1
    x2, z2, x3, z3 = 1, 0, x1, 1
    for bit in range(254, -1, -1):
        swap = k >> bit & 1
        if swap:
            x2, z2, x3, z3 = x3, z3, x2, z2
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        da, cb, aa, bb = d * a % p, c * b % p, a * a % p, b * b % p
        x3, z3 = (da + cb) ** 2 % p, x1 * (da - cb) ** 2 % p
        x2, z2 = aa * bb % p, (aa - bb) * (aa + 121665 * (aa - bb)) % p
        if swap:
            x2, z2, x3, z3 = x3, z3, x2, z2
    return (x2 * pow(z2, p - 2, p) % p).to_bytes(32, "little")


# ---- AES-256-GCM


def double(b):
    return b << 1 ^ (b >> 7) * 0x11B


def sbox():
    box, p, q = [0x63] * 256, 1, 1
    while True:
        p ^= double(p)
        for shift in (1, 2, 4):
            q = (q ^ q << shift) & 255
        q ^= (q >> 7) * 9
        box[p] = q ^ 0x63 ^ rotated(q)
        if p == 1:
            return box


def rotated(q):
    return (q << 1 | q >> 7) & 255 ^ (q << 2 | q >> 6) & 255 ^ (q << 3 | q >> 5) & 255 ^ (q << 4 | q >> 4) & 255


SBOX = sbox()


def schedule(key):
    words, round_constant = [list(key[i:i + 4]) for i in range(0, 32, 4)], 1
    for i in range(8, 60):
        w = words[-1]
        if i % 8 == 0:
            w = [SBOX[b] for b in w[1:] + w[:1]]
            w[0] ^= round_constant
            round_constant = double(round_constant)
        elif i % 8 == 4:
            w = [SBOX[b] for b in w]
        words.append([a ^ b for a, b in zip(words[i - 8], w)])
    return [sum(words[i:i + 4], []) for i in range(0, 60, 4)]


def encrypt_block(rounds, block):
    s = [a ^ b for a, b in zip(block, rounds[0])]
    for n, key in enumerate(rounds[1:]):
        s = [SBOX[s[i * 5 % 16]] for i in range(16)]  # and the rows shifted
        if n < 13:
            columns = [s[i:i + 4] for i in range(0, 16, 4)]
            s = [double(c[i]) ^ double(c[(i + 1) % 4]) ^ c[(i + 1) % 4] ^ c[(i + 2) % 4] ^ c[(i + 3) % 4] for c in columns for i in range(4)]
        s = [a ^ b for a, b in zip(s, key)]
    return bytes(s)


def ghash(h, data):
    y = 0
    for at in range(0, len(data), 16):
        y ^= int.from_bytes(data[at:at + 16], "big")
        z, v = 0, h
        for bit in range(127, -1, -1):
            z ^= v * (y >> bit & 1)
            v = v >> 1 ^ (v & 1) * (0xE1 << 120)
        y = z
    return y


def padded(data):
    return data + bytes(-len(data) % 16)


def keystream(rounds, nonce, size):
    return b"".join(encrypt_block(rounds, nonce + n.to_bytes(4, "big")) for n in range(2, 2 + (size + 15) // 16))[:size]


def nonce_of(number):
    return bytes(4) + number.to_bytes(8, "big")


def unseal(key, number, associated, sealed):
    if len(sealed) < TAG:
        raise Forged
    rounds, nonce, text, tag = schedule(key), nonce_of(number), sealed[:-TAG], sealed[-TAG:]
    h = int.from_bytes(encrypt_block(rounds, bytes(16)), "big")
    lengths = (len(associated) * 8).to_bytes(8, "big") + (len(text) * 8).to_bytes(8, "big")
    s = ghash(h, padded(associated) + padded(text) + lengths)
    if (s ^ int.from_bytes(encrypt_block(rounds, nonce + b"\0\0\0\1"), "big")).to_bytes(16, "big") != tag:
        raise Forged
    return bytes(a ^ b for a, b in zip(text, keystream(rounds, nonce, len(text))))


def rekey(key):
    """REKEY of Noise: what the highest nonce makes of 32 zeros."""
    return keystream(schedule(key), nonce_of(2**64 - 1), 32)


# ---- NNpsk0


class Handshake:
    def __init__(self, key, prologue):
        self.hash = self.chaining = PROTOCOL
        self.mix_hash(prologue)
        self.mix_key(key, with_hash=True)

    def mix_hash(self, data):
        self.hash = hashlib.sha256(self.hash + data).digest()

    def expand(self, material, outputs):
        secret, out = mac(self.chaining, material), [b""]
        for n in range(outputs):
            out.append(mac(secret, out[-1] + bytes([n + 1])))
        return out[1:]

    def mix_key(self, material, with_hash=False):
        if with_hash:
            self.chaining, mixed, self.key = self.expand(material, 3)
            self.mix_hash(mixed)
        else:
            self.chaining, self.key = self.expand(material, 2)
        self.number = 0

    def read(self, message, private=None):
        """The payload of a message that was received; private is the secret of our own key in the second one."""
        if len(message) < 32 + TAG:
            raise Forged
        self.mix_hash(message[:32])
        self.mix_key(message[:32])
        if private is not None:
            self.mix_key(x25519(private, message[:32]))
        payload = unseal(self.key, self.number, self.hash, message[32:])
        self.mix_hash(message[32:])
        return payload

    def split(self):
        return self.expand(b"", 2)
