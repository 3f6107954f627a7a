//! The network on candle tensors. A batch of nonces is one tensor; the steps are those of the specification.
use candle_core::{Device, Result, Tensor};
use geodesic_challenge::{Hash, Matrix, Shape, Weights, input, target};

use crate::kernels::{Attention, Gate, Norm, Residual, Turns, matmul};

struct Layer {
    q: Tensor,
    /// k over v, so that one product gives both.
    kv: Tensor,
    o: Tensor,
    /// gate over up.
    gate_up: Tensor,
    down: Tensor,
}

/// Weights of one epoch key on a device, as f32.
pub(crate) struct Model {
    shape: Shape,
    device: Device,
    layers: Vec<Layer>,
    head: Tensor,
    turns: Turns,
    /// Target of the epoch, `[V]`.
    pub(crate) target: Vec<i32>,
}

impl Model {
    /// Generates the weights with `threads` threads.
    pub(crate) fn new(shape: Shape, epoch_key: &Hash, device: &Device, threads: usize) -> Result<Self> {
        let weights = Weights::new(shape, epoch_key);
        let tensor = |matrices: &[Matrix]| -> Result<Tensor> {
            let sizes = matrices.iter().map(|m| m.size(&shape));
            let (rows, columns) = sizes.fold((0, 0), |(rows, _), (more, columns)| (rows + more, columns));
            let mut values = vec![0.0; rows * columns];
            let mut rest = values.as_mut_slice();
            for matrix in matrices {
                let (rows, columns) = matrix.size(&shape);
                let (now, later) = rest.split_at_mut(rows * columns);
                generate(&weights, *matrix, now, threads);
                rest = later;
            }
            Tensor::from_vec(values, (rows, columns), device)
        };
        let layer = |l| {
            let [q, k, v, o, gate, up, down] = Matrix::of_layer(l);
            Ok(Layer {
                q: tensor(&[q])?,
                kv: tensor(&[k, v])?,
                o: tensor(&[o])?,
                gate_up: tensor(&[gate, up])?,
                down: tensor(&[down])?,
            })
        };
        Ok(Self {
            shape,
            device: device.clone(),
            layers: (0..shape.layers).map(layer).collect::<Result<_>>()?,
            head: tensor(&[Matrix::Head])?,
            turns: Turns::new(&shape),
            target: target(&shape, epoch_key),
        })
    }

    fn norm(&self, h: &Tensor) -> Result<Tensor> {
        h.apply_op1_no_bwd(&Norm { amax: self.shape.amax })
    }

    /// Rows of the last position of each nonce: `[nonces * T, d] -> [nonces, d]`.
    fn last(&self, x: &Tensor, nonces: usize) -> Result<Tensor> {
        let (d, t) = (self.shape.dim as usize, self.shape.seq as usize);
        x.reshape((nonces, t, d))?.narrow(1, t - 1, 1)?.contiguous()?.reshape((nonces, d))
    }

    /// One layer. The last one gives only the last position, because nothing later reads the others.
    fn layer(&self, h: Tensor, index: usize, layer: &Layer, nonces: usize) -> Result<Tensor> {
        let a = self.norm(&h)?;
        let kv = matmul(&a, &layer.kv)?;
        let is_last = index + 1 == self.layers.len();
        let (a, h) = if is_last { (self.last(&a, nonces)?, self.last(&h, nonces)?) } else { (a, h) };
        let first = if is_last { self.shape.seq as usize - 1 } else { 0 };
        let attention = Attention { shape: &self.shape, turns: &self.turns, first };
        let o = matmul(&a, &layer.q)?.apply_op2_no_bwd(&kv, &attention)?;
        let branch = matmul(&o, &layer.o)?;
        let h = h.apply_op2_no_bwd(&branch, &Residual { shift: self.shape.shift_o })?;

        let gate_up = matmul(&self.norm(&h)?, &layer.gate_up)?;
        let m = gate_up.apply_op1_no_bwd(&Gate { shape: &self.shape })?;
        h.apply_op2_no_bwd(&matmul(&m, &layer.down)?, &Residual { shift: self.shape.shift_d })
    }

    /// Logits of the nonces with these hashes, `[V]` each.
    pub(crate) fn logits(&self, nonce_hashes: &[Hash]) -> Result<Vec<Vec<i32>>> {
        let (nonces, d, t) = (nonce_hashes.len(), self.shape.dim as usize, self.shape.seq as usize);
        let values: Vec<f32> =
            nonce_hashes.iter().flat_map(|hash| input(&self.shape, hash)).map(|h| h as f32).collect();
        let mut h = Tensor::from_vec(values, (nonces * t, d), &self.device)?;
        for (index, layer) in self.layers.iter().enumerate() {
            h = self.layer(h, index, layer, nonces)?;
        }
        let logits = matmul(&self.norm(&h)?, &self.head)?.flatten_all()?.to_vec1::<f32>()?;
        let rows = logits.chunks_exact(self.shape.vocab as usize);
        Ok(rows.map(|row| row.iter().map(|l| *l as i32).collect()).collect())
    }
}

/// Fills `out` with the whole of `matrix` as f32, in parts over threads.
fn generate(weights: &Weights, matrix: Matrix, out: &mut [f32], threads: usize) {
    const PART_MIN: usize = 1 << 16;
    let part = out.len().div_ceil(threads.max(1)).max(PART_MIN);
    std::thread::scope(|scope| {
        for (i, out) in out.chunks_mut(part).enumerate() {
            scope.spawn(move || {
                let mut bytes = [0; 4096];
                let mut at = (i * part) as u64;
                for out in out.chunks_mut(bytes.len()) {
                    let (bytes, _) = bytes.split_at_mut(out.len());
                    weights.fill(matrix, at, bytes);
                    out.iter_mut().zip(bytes).for_each(|(out, w)| *out = f32::from(*w));
                    at += out.len() as u64;
                }
            });
        }
    });
}
