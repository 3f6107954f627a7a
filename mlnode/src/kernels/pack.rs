//! From the stream of an epoch to the layout of a kernel.
use geodesic_challenge::{Matrix as Source, Shape, Weights};

use super::{BLOCK, Data, Kernel, Line, Matrix};
use crate::simd::{Level, vectorised};

/// Weights that are worth a thread.
const PART_MIN: usize = 1 << 18;

/// Places of a matrix's blocks of rows.
pub(crate) fn blocks(shape: &Shape, source: Source) -> impl Iterator<Item = (Source, usize)> + use<> {
    let (rows, _) = source.size(shape);
    (0..rows.div_ceil(BLOCK)).map(move |block| (source, block * BLOCK))
}

/// The blocks of rows `(matrix, first row)`, one under the other, generated with `threads` threads. Rows beyond a matrix
/// are zero.
pub(crate) fn pack(
    (kernel, level): (Kernel, Level),
    shape: &Shape,
    weights: &Weights,
    blocks: &[(Source, usize)],
    threads: usize,
) -> Matrix {
    let k = blocks.first().map_or(0, |(source, _)| source.size(shape).1);
    let parts = (blocks.len() * BLOCK * k / PART_MIN).clamp(1, threads);
    let part = blocks.len().div_ceil(parts).max(1);
    let steps = k.div_ceil(4);
    let block = Block { shape: *shape, weights: *weights, k };
    let data = if kernel == Kernel::F32 {
        let mut values = vec![0.0; blocks.len() * BLOCK * k];
        let size = (BLOCK * k).max(1);
        in_parts(blocks, &mut values, (part, size), |raw, source, out| block.floats(level, source, raw, out));
        Data::F32(values)
    } else {
        let mut lines = vec![Line::ZERO; blocks.len() * steps];
        in_parts(blocks, &mut lines, (part, steps.max(1)), |raw, source, out| {
            block.lines(level, source, raw, out);
        });
        Data::Bytes(lines)
    };
    Matrix { outputs: blocks.len() * BLOCK, k, data }
}

impl Matrix {
    /// Of raw weights, row-major, `k` a row.
    pub(super) fn of_raw((kernel, level): (Kernel, Level), raw: &[u8], k: usize) -> Self {
        let blocks = (raw.len() / k).div_ceil(BLOCK);
        let data = if kernel == Kernel::F32 {
            let mut values = vec![0.0; blocks * BLOCK * k];
            widen(level, raw, &mut values);
            Data::F32(values)
        } else {
            let steps = k.div_ceil(4);
            let mut lines = vec![Line::ZERO; blocks * steps];
            let parts = raw.chunks(BLOCK * k).zip(lines.chunks_exact_mut(steps));
            parts.for_each(|(raw, lines)| interleave(level, raw, k, lines));
            Data::Bytes(lines)
        };
        Self { outputs: blocks * BLOCK, k, data }
    }
}

/// Calls `fill(buffer, block, its values)` for every block, `part` blocks a thread.
fn in_parts<T: Send>(
    blocks: &[(Source, usize)],
    out: &mut [T],
    (part, size): (usize, usize),
    fill: impl Fn(&mut Vec<u8>, (Source, usize), &mut [T]) + Copy + Send,
) {
    let run = move |blocks: &[(Source, usize)], out: &mut [T]| {
        let mut raw = Vec::new();
        blocks.iter().zip(out.chunks_mut(size)).for_each(|(block, out)| fill(&mut raw, *block, out));
    };
    if blocks.len() <= part {
        return run(blocks, out);
    }
    std::thread::scope(|scope| {
        for (blocks, out) in blocks.chunks(part).zip(out.chunks_mut(part * size)) {
            scope.spawn(move || run(blocks, out));
        }
    });
}

#[derive(Clone, Copy)]
struct Block {
    shape: Shape,
    weights: Weights,
    k: usize,
}

impl Block {
    /// Raw weights of the rows of a block that lie within its matrix.
    fn raw(&self, level: Level, (source, first): (Source, usize), raw: &mut Vec<u8>) {
        let rows = BLOCK.min(source.size(&self.shape).0.saturating_sub(first));
        raw.resize(rows * self.k, 0);
        generate(level, &self.weights, source, (first * self.k) as u64, raw);
    }

    fn lines(&self, level: Level, source: (Source, usize), raw: &mut Vec<u8>, out: &mut [Line]) {
        self.raw(level, source, raw);
        interleave(level, raw, self.k, out);
    }

    fn floats(&self, level: Level, source: (Source, usize), raw: &mut Vec<u8>, out: &mut [f32]) {
        self.raw(level, source, raw);
        widen(level, raw, out);
    }
}

vectorised! {
    fn generate(weights: &Weights, source: Source, start: u64, out: &mut [u8]) {
        weights.raw(source, start, out);
    }

    fn widen(raw: &[u8], out: &mut [f32]) {
        out.iter_mut().zip(raw).for_each(|(out, u)| *out = f32::from(*u));
    }

    fn interleave(raw: &[u8], k: usize, out: &mut [Line]) {
        interleave_rows(raw, k, out);
    }
}

/// At most [`BLOCK`] rows of `k` bytes, as the lines of a block.
#[inline(always)]
pub(crate) fn interleave_rows(raw: &[u8], k: usize, out: &mut [Line]) {
    for (output, row) in raw.chunks_exact(k).enumerate() {
        let (words, rest) = row.as_chunks::<4>();
        let mut lines = out.iter_mut();
        for (word, line) in words.iter().zip(&mut lines) {
            if let Some(to) = line.0.as_chunks_mut::<4>().0.get_mut(output) {
                *to = *word;
            }
        }
        if let (Some(line), false) = (lines.next(), rest.is_empty())
            && let Some(to) = line.0.as_chunks_mut::<4>().0.get_mut(output)
        {
            let (to, zeros) = to.split_at_mut(rest.len());
            to.copy_from_slice(rest);
            zeros.fill(0);
        }
    }
}
