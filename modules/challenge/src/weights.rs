//! Weights of an epoch: every one has its own bits, and any tile can be had alone.
use crate::hash::{Hash, tag};
use crate::shape::Shape;
use crate::stream::Stream;

/// A matrix of the network, `[out, in]` row-major.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Matrix {
    /// Queries of a layer, `[d, d]`.
    Q(u32),
    /// Keys of a layer, `[d, d]`.
    K(u32),
    /// Values of a layer, `[d, d]`.
    V(u32),
    /// Output of attention of a layer, `[d, d]`.
    O(u32),
    /// Gate of a layer, `[f, d]`.
    Gate(u32),
    /// Up projection of a layer, `[f, d]`.
    Up(u32),
    /// Down projection of a layer, `[d, f]`.
    Down(u32),
    /// Output head, `[V, d]`.
    Head,
}

impl Matrix {
    /// The seven matrices of a layer, in the order of their sub-streams.
    pub fn of_layer(layer: u32) -> [Self; 7] {
        [Self::Q, Self::K, Self::V, Self::O, Self::Gate, Self::Up, Self::Down].map(|m| m(layer))
    }

    /// Its sub-stream: `8 l + m`, or `8 L` for the head.
    pub fn sub_stream(self, shape: &Shape) -> u32 {
        match self {
            Self::Q(l) => 8 * l,
            Self::K(l) => 8 * l + 1,
            Self::V(l) => 8 * l + 2,
            Self::O(l) => 8 * l + 3,
            Self::Gate(l) => 8 * l + 4,
            Self::Up(l) => 8 * l + 5,
            Self::Down(l) => 8 * l + 6,
            Self::Head => 8 * shape.layers,
        }
    }

    /// `(rows, columns)`, that is `(out, in)`.
    pub fn size(self, shape: &Shape) -> (usize, usize) {
        let [d, f, v] = [shape.dim, shape.ffn, shape.vocab].map(|n| n as usize);
        match self {
            Self::Q(_) | Self::K(_) | Self::V(_) | Self::O(_) => (d, d),
            Self::Gate(_) | Self::Up(_) => (f, d),
            Self::Down(_) => (d, f),
            Self::Head => (v, d),
        }
    }
}

/// The weights of one epoch key, generated when asked for.
#[derive(Clone, Copy, Debug)]
pub struct Weights {
    shape: Shape,
    stream: Stream,
}

impl Weights {
    /// Weights of `shape` under `epoch_key`: the stream of `tag("weights", epoch_key)`.
    pub fn new(shape: Shape, epoch_key: &Hash) -> Self {
        Self { shape, stream: Stream::new(&tag("weights", &[epoch_key])) }
    }

    /// Fills `out` with the weights of `matrix` from index `start` (row-major) on: `w = 2 u - wmax` of the [raw]
    /// value at the weight's index. The caller stays inside the matrix.
    ///
    /// [raw]: Weights::raw
    pub fn fill(&self, matrix: Matrix, start: u64, out: &mut [i8]) {
        let wmax = self.shape.wmax();
        let mut bytes = [0; 4096];
        let mut at = start;
        for part in out.chunks_mut(bytes.len()) {
            let bytes = &mut bytes[..part.len()];
            self.raw(matrix, at, bytes);
            part.iter_mut().zip(bytes).for_each(|(w, u)| *w = (2 * i32::from(*u) - wmax) as i8);
            at += part.len() as u64;
        }
    }

    /// Fills `out` with `u = b AND wmax` of the stream's bytes b of `matrix` from index `start` (row-major) on. Inlined
    /// as [`Stream::chunk`].
    #[inline(always)]
    pub fn raw(&self, matrix: Matrix, start: u64, out: &mut [u8]) {
        let wmax = self.shape.wmax() as u8;
        self.stream.bytes(matrix.sub_stream(&self.shape), start, out);
        out.iter_mut().for_each(|u| *u &= wmax);
    }

    /// The whole of `matrix`.
    pub fn matrix(&self, matrix: Matrix) -> Vec<i8> {
        let (rows, columns) = matrix.size(&self.shape);
        let mut out = vec![0; rows * columns];
        self.fill(matrix, 0, &mut out);
        out
    }

    /// The tile of `matrix` at `(row, column)` with `(rows, columns)`, row-major; `None` if it does not lie inside.
    pub fn tile(
        &self,
        matrix: Matrix,
        (row, column): (usize, usize),
        (rows, columns): (usize, usize),
    ) -> Option<Vec<i8>> {
        let (height, width) = matrix.size(&self.shape);
        if row.checked_add(rows)? > height || column.checked_add(columns)? > width {
            return None;
        }
        let mut out = vec![0; rows * columns];
        for (i, part) in out.chunks_mut(columns.max(1)).enumerate() {
            self.fill(matrix, ((row + i) * width + column) as u64, part);
        }
        Some(out)
    }
}
