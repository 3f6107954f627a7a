//! Sizes on the device: what is padded to what, and the bytes that follow.
use geodesic_challenge::Shape;

/// Rows and columns of products are multiples of this: int8 tensor cores want 16 bytes.
const ALIGN: usize = 16;

/// The next multiple of 16.
pub(crate) fn padded(n: usize) -> usize {
    n.next_multiple_of(ALIGN)
}

/// A shape in the sizes of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) d: usize,
    pub(crate) f: usize,
    pub(crate) vocab: usize,
    pub(crate) seq: usize,
    pub(crate) heads: usize,
    pub(crate) hd: usize,
    pub(crate) layers: usize,
}

impl Sizes {
    /// Sizes of `shape`; `None` if the indices of one nonce do not fit the kernels' 32 bits, far beyond any memory.
    pub(crate) fn new(shape: &Shape) -> Option<Self> {
        let [d, f, vocab, seq, heads, layers] =
            [shape.dim, shape.ffn, shape.vocab, shape.seq, shape.heads, shape.layers].map(|n| n as usize);
        let sizes = Self { d, f, vocab, seq, heads, hd: shape.head_dim(), layers };
        let widest = [sizes.widest().saturating_mul(seq), 4 * d, 4 * f, vocab].into_iter().max()?;
        u32::try_from(widest.saturating_mul(4)).is_ok().then_some(sizes)
    }

    /// Width of a head with its padding.
    pub(crate) fn head_pitch(&self) -> usize {
        padded(self.hd)
    }

    /// Positions of a nonce's keys with their padding.
    pub(crate) fn seq_pitch(&self) -> usize {
        self.seq.next_multiple_of(4)
    }

    /// Rows of the matrix that holds q, k, v: enough for a product that begins at k.
    pub(crate) fn qkv_rows(&self) -> usize {
        (self.d + padded(2 * self.d)).max(padded(3 * self.d))
    }

    /// Columns of the widest product of a row.
    fn widest(&self) -> usize {
        padded(3 * self.d).max(padded(2 * self.f))
    }

    /// Bytes of the weights.
    pub(crate) fn weight_bytes(&self) -> u64 {
        let area = |rows: usize, columns: usize| rows as u64 * padded(columns) as u64;
        let layer = area(self.qkv_rows(), self.d)
            + area(padded(self.d), self.d)
            + area(padded(2 * self.f), self.d)
            + area(padded(self.d), self.f);
        let target = 4 * self.vocab as u64;
        layer
            .saturating_mul(self.layers as u64)
            .saturating_add(area(padded(self.vocab), self.d))
            .saturating_add(target)
    }

    /// Bytes of each buffer of a batch of `nonces`.
    pub(crate) fn buffers(&self, nonces: usize) -> Buffers {
        let rows = nonces * self.seq;
        let (all, few) = (padded(rows), padded(nonces));
        let heads = nonces * self.heads * self.head_pitch();
        Buffers {
            h: 2 * rows * self.d,
            a: all * padded(self.d),
            product: 4 * (all * self.widest()).max(few * padded(self.vocab)),
            q: heads * self.seq,
            kv: heads * self.seq_pitch(),
            m: all * padded(self.f),
            h_last: 2 * nonces * self.d,
            a_last: few * padded(self.d),
            m_last: few * padded(self.f),
            seeds: 16 * nonces,
            permutation: 4 * nonces * self.vocab,
            logits: 4 * few * padded(self.vocab),
            distances: 8 * nonces,
        }
    }
}

/// Bytes of the buffers of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Buffers {
    pub(crate) h: usize,
    pub(crate) a: usize,
    pub(crate) product: usize,
    pub(crate) q: usize,
    /// Each of k and v.
    pub(crate) kv: usize,
    pub(crate) m: usize,
    pub(crate) h_last: usize,
    pub(crate) a_last: usize,
    pub(crate) m_last: usize,
    /// The last four belong to a slot, of which there are [`SLOTS`].
    pub(crate) seeds: usize,
    pub(crate) permutation: usize,
    pub(crate) logits: usize,
    pub(crate) distances: usize,
}

/// Batches under way: one is hashed by the host while the device computes the next.
pub(crate) const SLOTS: usize = 2;

impl Buffers {
    /// Bytes of all of them.
    pub(crate) fn bytes(&self) -> u64 {
        let shared = self.h + 2 * self.a + self.product + self.q + 2 * self.kv + self.m;
        let last = self.h_last + 2 * self.a_last + self.m_last;
        let slot = self.seeds + self.permutation + self.logits + self.distances;
        (shared + last + SLOTS * slot) as u64
    }
}
