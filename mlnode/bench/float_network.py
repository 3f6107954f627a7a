"""Nonces per second of the float network (profile pow2-f16 in f32) in PyTorch.

The network of mlnode/src/pow2: Llama's layout, rotary positions on neighbouring pairs, last position's logits. Weights and
inputs are random normals made beforehand, so nothing but the network is measured; as in mlnode, queries, outputs of
attention and the feed-forward part of the last layer are computed for the last position alone.
"""
import argparse
import time

import torch
from torch.nn.functional import linear, scaled_dot_product_attention, silu

SHAPES = {  # dim, layers, heads, hidden, vocab, seq: the exact profile's, and `small` of pow2-f16
    "local": (128, 4, 4, 384, 512, 16),
    "small": (256, 8, 8, 1024, 1024, 16),
    "cpu": (512, 8, 8, 1536, 2048, 32),
}


class Network:
    def __init__(self, shape):
        self.dim, layers, self.heads, hidden, vocab, self.seq = shape
        matrix = lambda *size: torch.randn(*size) * 0.02
        d = self.dim
        self.layers = [
            dict(q=matrix(d, d), k=matrix(d, d), v=matrix(d, d), o=matrix(d, d), gate=matrix(hidden, d),
                 up=matrix(hidden, d), down=matrix(d, hidden), norm1=matrix(d), norm2=matrix(d))
            for _ in range(layers)
        ]
        self.norm, self.head = matrix(d), matrix(vocab, d)
        pairs = torch.arange(0, d // self.heads, 2) / (d // self.heads)
        angles = torch.outer(torch.arange(self.seq), 10_000.0 ** -pairs)
        self.cos, self.sin = angles.cos(), angles.sin()

    @staticmethod
    def normed(h, weight):
        return h * torch.rsqrt(h.square().mean(-1, keepdim=True) + 1e-5) * weight

    def rope(self, x):
        """x: [nonces, heads, positions, hd], its positions the last ones."""
        cos, sin = self.cos[-x.shape[2]:], self.sin[-x.shape[2]:]
        a, b = x[..., 0::2], x[..., 1::2]
        return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)

    def split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def logits(self, h):
        """h: [nonces, seq, dim]; returns [nonces, vocab]."""
        for i, w in enumerate(self.layers):
            last = i + 1 == len(self.layers)
            a = self.normed(h, w["norm1"])
            k, v = self.rope(self.split(linear(a, w["k"]))), self.split(linear(a, w["v"]))
            if last:
                a, h = a[:, -1:], h[:, -1:]
            q = self.rope(self.split(linear(a, w["q"])))
            o = scaled_dot_product_attention(q, k, v, is_causal=not last)
            h = h + linear(o.transpose(1, 2).flatten(-2), w["o"])
            a = self.normed(h, w["norm2"])
            h = h + linear(silu(linear(a, w["gate"])) * linear(a, w["up"]), w["down"])
        return linear(self.normed(h[:, -1], self.norm), self.head)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=SHAPES, default="local")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, nargs="+", default=[8, 16, 32, 64, 128])
    parser.add_argument("--seconds", type=float, default=2.0)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    network = Network(SHAPES[args.shape])
    with torch.inference_mode():
        for batch in args.batch:
            h = torch.randn(batch, network.seq, network.dim)
            network.logits(h)
            wall, core, nonces = time.monotonic(), time.process_time(), 0
            while time.monotonic() - wall < args.seconds:
                network.logits(h)
                nonces += batch
            wall, core = time.monotonic() - wall, time.process_time() - core
            print(f"{args.shape}, batch {batch}, {args.threads} threads: {nonces / wall:.0f} nonces/s, "
                  f"{nonces / core:.0f} nonces/s of a core's time")


if __name__ == "__main__":
    main()
