//! The network as launches: the weights of an epoch, and batches of nonces through them.
use geodesic_challenge::{Hash, Matrix, Shape, tag};

use super::device::{Arg, Device, Fault, Lane, Launch, Product};
use super::kernels::{ATTENTION_QUERIES, ATTENTION_THREADS};
use super::plan::{SLOTS, Sizes, padded};

/// Bytes of a hash that its streams depend on.
pub(crate) const SEED_BYTES: usize = 16;
/// Threads of a block where one thread has one block of a stream.
const STREAM_THREADS: u32 = 256;
/// Threads of a block that sums; a power of two.
const SUM_THREADS: u32 = 256;
/// Threads of a block that goes over a row without sums.
const ROW_THREADS: u32 = 128;
/// Threads that fill a permutation before one of them shuffles it.
const SHUFFLE_THREADS: u32 = 32;

struct Layer<M> {
    /// q over k over v.
    qkv: M,
    o: M,
    /// gate over up.
    gate_up: M,
    down: M,
}

/// Weights and target of one epoch key on a device.
pub(crate) struct Model<M> {
    shape: Shape,
    sizes: Sizes,
    layers: Vec<Layer<M>>,
    head: M,
    target: M,
}

/// What a batch under way has of its own.
struct Slot<D: Device> {
    seeds: D::Memory,
    permutation: D::Memory,
    logits: D::Memory,
    distances: D::Memory,
    seeds_from: D::Landing,
    logits_at: D::Landing,
    distances_at: D::Landing,
}

/// Buffers of batches of at most `capacity` nonces of one shape.
pub(crate) struct Work<D: Device> {
    pub(crate) capacity: usize,
    h: D::Memory,
    a: D::Memory,
    o: D::Memory,
    product: D::Memory,
    q: D::Memory,
    k: D::Memory,
    v: D::Memory,
    m: D::Memory,
    h_last: D::Memory,
    a_last: D::Memory,
    o_last: D::Memory,
    m_last: D::Memory,
    slots: Vec<Slot<D>>,
}

impl<D: Device> Work<D> {
    /// Allocates for batches of `capacity` nonces.
    pub(crate) fn new(device: &D, sizes: &Sizes, capacity: usize) -> Result<Self, Fault> {
        let bytes = sizes.buffers(capacity);
        let slot = |_| {
            Ok::<_, Fault>(Slot {
                seeds: device.alloc(bytes.seeds)?,
                permutation: device.alloc(bytes.permutation)?,
                logits: device.alloc(bytes.logits)?,
                distances: device.alloc(bytes.distances)?,
                seeds_from: device.landing(bytes.seeds)?,
                logits_at: device.landing(bytes.logits)?,
                distances_at: device.landing(bytes.distances)?,
            })
        };
        Ok(Self {
            capacity,
            h: device.alloc(bytes.h)?,
            a: device.alloc(bytes.a)?,
            o: device.alloc(bytes.a)?,
            product: device.alloc(bytes.product)?,
            q: device.alloc(bytes.q)?,
            k: device.alloc(bytes.kv)?,
            v: device.alloc(bytes.kv)?,
            m: device.alloc(bytes.m)?,
            h_last: device.alloc(bytes.h_last)?,
            a_last: device.alloc(bytes.a_last)?,
            o_last: device.alloc(bytes.a_last)?,
            m_last: device.alloc(bytes.m_last)?,
            slots: (0..SLOTS).map(slot).collect::<Result<_, _>>()?,
        })
    }

    /// Logits, rows of [`padded`] vocabulary as little-endian i32, and distances of the batch in `slot`; waits for them.
    pub(crate) fn landed(&self, device: &D, slot: usize) -> Result<(&[u8], &[u8]), Fault> {
        let slot = self.slots.get(slot).ok_or_else(|| Fault::Failed(format!("there is no slot {slot}")))?;
        Ok((device.landed(&slot.logits_at)?, device.landed(&slot.distances_at)?))
    }
}

/// The first bytes of `hash`, which its streams depend on.
pub(crate) fn seed(hash: &Hash) -> &[u8] {
    hash.get(..SEED_BYTES).unwrap_or_default()
}

fn launch(kernel: &'static str, blocks: usize, threads: u32) -> Launch {
    Launch { lane: Lane::Main, kernel, grid: (blocks, 1), threads, shared: 0 }
}

fn int<'a, M>(n: usize) -> Arg<'a, M> {
    // Sizes::new has seen to it.
    Arg::U32(n as u32)
}

fn long<'a, M>(n: usize) -> Arg<'a, M> {
    Arg::U64(n as u64)
}

/// Rows of activations on their way through a layer.
struct Rows<'a, M> {
    h: &'a M,
    a: &'a M,
    o: &'a M,
    m: &'a M,
    /// Their number, and that of each nonce.
    count: usize,
    each: usize,
}

/// One pass of a batch: the device and everything it works on.
struct Pass<'a, D: Device> {
    device: &'a D,
    shape: &'a Shape,
    sizes: &'a Sizes,
    work: &'a Work<D>,
    nonces: usize,
}

impl<M: Send> Model<M> {
    /// Generates the weights on the device.
    pub(crate) fn new<D: Device<Memory = M>>(
        device: &D,
        shape: Shape,
        sizes: Sizes,
        epoch_key: &Hash,
    ) -> Result<Self, Fault> {
        let uploaded = |hash: &Hash| {
            let (mut memory, mut landing) = (device.alloc(SEED_BYTES)?, device.landing(SEED_BYTES)?);
            device.upload(seed(hash), &mut landing, &mut memory)?;
            device.landed(&landing)?;
            Ok::<_, Fault>(memory)
        };
        let of_weights = uploaded(&tag("weights", &[epoch_key]))?;
        let of_target = uploaded(&tag("target", &[epoch_key]))?;
        let stack = |rows: usize, matrices: &[Matrix]| {
            let (_, columns) = matrices.first().map_or((0, 0), |m| m.size(&shape));
            let memory = device.alloc(rows * padded(columns))?;
            let mut first = 0;
            for matrix in matrices {
                generate(device, &shape, *matrix, &memory, first, &of_weights)?;
                first += matrix.size(&shape).0;
            }
            Ok::<_, Fault>(memory)
        };
        let layer = |l| {
            let [q, k, v, o, gate, up, down] = Matrix::of_layer(l);
            Ok::<_, Fault>(Layer {
                qkv: stack(sizes.qkv_rows(), &[q, k, v])?,
                o: stack(padded(sizes.d), &[o])?,
                gate_up: stack(padded(2 * sizes.f), &[gate, up])?,
                down: stack(padded(sizes.d), &[down])?,
            })
        };
        let layers = (0..shape.layers).map(layer).collect::<Result<_, _>>()?;
        let head = stack(padded(sizes.vocab), &[Matrix::Head])?;
        let target = device.alloc(4 * sizes.vocab)?;
        let blocks = sizes.vocab.div_ceil(4).div_ceil(STREAM_THREADS as usize);
        device.launch(
            launch("target", blocks, STREAM_THREADS),
            &[Arg::Memory(&target), int(sizes.vocab), Arg::Memory(&of_target)],
        )?;
        device.finish()?;
        Ok(Self { shape, sizes, layers, head, target })
    }

    /// Gives the device the batch of these seeds, [`SEED_BYTES`] each; [`Work::landed`] has what comes of it.
    pub(crate) fn start<D: Device<Memory = M>>(
        &self,
        device: &D,
        work: &mut Work<D>,
        slot: usize,
        seeds: &[u8],
    ) -> Result<(), Fault> {
        let nonces = seeds.len() / SEED_BYTES;
        let (index, no_slot) = (slot, || Fault::Failed(format!("there is no slot {slot}")));
        let slot = work.slots.get_mut(index).ok_or_else(no_slot)?;
        device.upload(seeds, &mut slot.seeds_from, &mut slot.seeds)?;
        device.join(Lane::Side)?;
        let vocab = self.sizes.vocab;
        device.launch(
            Launch { lane: Lane::Side, ..launch("permutation", nonces, SHUFFLE_THREADS) },
            &[Arg::Memory(&slot.permutation), int(vocab), Arg::Memory(&slot.seeds)],
        )?;
        let slot = work.slots.get(index).ok_or_else(no_slot)?;
        let pass = Pass { device, shape: &self.shape, sizes: &self.sizes, work, nonces };
        let a = pass.hidden(&self.layers, &slot.seeds)?;
        pass.product(a, &self.head, 0, padded(nonces), (vocab, self.sizes.d), &slot.logits)?;
        device.join(Lane::Main)?;
        device.launch(
            launch("distance", nonces, SUM_THREADS),
            &[
                Arg::Memory(&slot.logits),
                long(padded(vocab)),
                Arg::Memory(&slot.permutation),
                Arg::Memory(&self.target),
                int(vocab),
                Arg::Memory(&slot.distances),
            ],
        )?;
        let slot = work.slots.get_mut(index).ok_or_else(no_slot)?;
        device.download(&slot.logits, 4 * nonces * padded(vocab), &mut slot.logits_at)?;
        device.download(&slot.distances, 8 * nonces, &mut slot.distances_at)
    }
}

/// Writes `matrix` into the rows of `out` from `first` on.
fn generate<D: Device>(
    device: &D,
    shape: &Shape,
    matrix: Matrix,
    out: &D::Memory,
    first: usize,
    seed: &D::Memory,
) -> Result<(), Fault> {
    let (rows, columns) = matrix.size(shape);
    let count = rows * columns;
    device.launch(
        launch("weights", count.div_ceil(16).div_ceil(STREAM_THREADS as usize), STREAM_THREADS),
        &[
            Arg::Memory(out),
            long(first),
            long(padded(columns)),
            long(columns),
            long(count),
            Arg::Memory(seed),
            Arg::U32(matrix.sub_stream(shape)),
            Arg::U32(shape.wmax().unsigned_abs()),
        ],
    )
}

impl<'a, D: Device> Pass<'a, D> {
    /// `norm(h)` of the last position after all layers, a row a nonce.
    fn hidden(&self, layers: &[Layer<D::Memory>], seeds: &D::Memory) -> Result<&'a D::Memory, Fault> {
        let (sizes, work) = (self.sizes, self.work);
        let values = sizes.seq * sizes.d;
        let blocks = values.div_ceil(4).div_ceil(STREAM_THREADS as usize);
        self.device.launch(
            Launch { grid: (blocks, self.nonces), ..launch("input", blocks, STREAM_THREADS) },
            &[Arg::Memory(&work.h), int(values), Arg::Memory(seeds)],
        )?;
        let all = Rows {
            h: &work.h,
            a: &work.a,
            o: &work.o,
            m: &work.m,
            count: self.nonces * sizes.seq,
            each: sizes.seq,
        };
        let last = Rows {
            h: &work.h_last,
            a: &work.a_last,
            o: &work.o_last,
            m: &work.m_last,
            count: self.nonces,
            each: 1,
        };
        self.residual_norm(&all, None)?;
        for (index, layer) in layers.iter().enumerate() {
            let is_last = index + 1 == layers.len();
            let rows = if is_last { &last } else { &all };
            self.project(layer, &all, &last, is_last)?;
            self.attend(rows)?;
            self.rest(layer, rows)?;
        }
        Ok(last.a)
    }

    /// `out = a w^T` for a matrix of `(rows, columns)` at row `first` of `w`.
    fn product(
        &self,
        a: &D::Memory,
        w: &D::Memory,
        first: usize,
        rows: usize,
        (columns, inner): (usize, usize),
        out: &D::Memory,
    ) -> Result<(), Fault> {
        let (columns, inner) = (padded(columns), padded(inner));
        self.device.product(&Product { a, w, first, out, rows, columns, inner })
    }

    /// q, k and v in heads. In the last layer, q is that of the last position alone: nothing later reads the others.
    fn project(
        &self,
        layer: &Layer<D::Memory>,
        all: &Rows<'_, D::Memory>,
        last: &Rows<'_, D::Memory>,
        is_last: bool,
    ) -> Result<(), Fault> {
        let (d, work) = (self.sizes.d, self.work);
        if !is_last {
            let pitch = self.project_rows(layer, all, 0, 3 * d)?;
            self.heads(all, pitch, 0, &work.q, self.sizes.seq, true)?;
            self.heads(all, pitch, d, &work.k, self.sizes.seq_pitch(), true)?;
            return self.heads(all, pitch, 2 * d, &work.v, self.sizes.seq_pitch(), false);
        }
        let pitch = self.project_rows(layer, all, d, 2 * d)?;
        self.heads(all, pitch, 0, &work.k, self.sizes.seq_pitch(), true)?;
        self.heads(all, pitch, d, &work.v, self.sizes.seq_pitch(), false)?;
        self.device.launch(
            launch("last", self.nonces, ROW_THREADS),
            &[
                Arg::Memory(all.h),
                Arg::Memory(all.a),
                Arg::Memory(last.h),
                Arg::Memory(last.a),
                int(self.sizes.seq),
                int(d),
                long(padded(d)),
            ],
        )?;
        let pitch = self.project_rows(layer, last, 0, d)?;
        self.heads(last, pitch, 0, &work.q, 1, true)
    }

    /// `a W^T` for `columns` rows of qkv from `first` on; returns the columns of the product.
    fn project_rows(
        &self,
        layer: &Layer<D::Memory>,
        rows: &Rows<'_, D::Memory>,
        first: usize,
        columns: usize,
    ) -> Result<usize, Fault> {
        let sizes = (columns, self.sizes.d);
        self.product(rows.a, &layer.qkv, first, padded(rows.count), sizes, &self.work.product)?;
        Ok(padded(columns))
    }

    fn heads(
        &self,
        rows: &Rows<'_, D::Memory>,
        pitch: usize,
        column: usize,
        out: &D::Memory,
        out_rows: usize,
        turn: bool,
    ) -> Result<(), Fault> {
        self.device.launch(
            launch("heads", rows.count, ROW_THREADS),
            &[
                Arg::Memory(&self.work.product),
                long(pitch),
                int(column),
                Arg::Memory(out),
                int(rows.each),
                int(out_rows),
                int(self.sizes.seq - rows.each),
                int(self.sizes.d),
                int(self.sizes.hd),
                int(self.sizes.head_pitch()),
                Arg::U32(self.shape.shift_q),
                Arg::U32(self.shape.amax),
                Arg::U32(u32::from(turn)),
            ],
        )
    }

    fn attend(&self, rows: &Rows<'_, D::Memory>) -> Result<(), Fault> {
        let (sizes, work) = (self.sizes, self.work);
        let blocks = self.nonces * sizes.heads * rows.each.div_ceil(ATTENTION_QUERIES);
        // Scores, and a byte a weight.
        let shared = (ATTENTION_QUERIES * sizes.seq_pitch() * 5) as u32;
        self.device.launch(
            Launch { shared, ..launch("attention", blocks, ATTENTION_THREADS) },
            &[
                Arg::Memory(&work.q),
                Arg::Memory(&work.k),
                Arg::Memory(&work.v),
                Arg::Memory(rows.o),
                long(padded(sizes.d)),
                int(sizes.seq),
                int(sizes.seq_pitch()),
                int(rows.each),
                int(sizes.hd),
                int(sizes.head_pitch()),
                int(sizes.heads),
                Arg::U32(self.shape.shift_s),
                Arg::U32(self.shape.amax),
            ],
        )
    }

    /// What follows attention: O, gate and up, down, each residual with the norm after it.
    fn rest(&self, layer: &Layer<D::Memory>, rows: &Rows<'_, D::Memory>) -> Result<(), Fault> {
        let (d, f, product) = (self.sizes.d, self.sizes.f, &self.work.product);
        let count = padded(rows.count);
        self.product(rows.o, &layer.o, 0, count, (d, d), product)?;
        self.residual_norm(rows, Some(self.shape.shift_o))?;
        self.product(rows.a, &layer.gate_up, 0, count, (2 * f, d), product)?;
        self.device.launch(
            launch("gate", rows.count, ROW_THREADS),
            &[
                Arg::Memory(product),
                long(padded(2 * f)),
                Arg::Memory(rows.m),
                long(padded(f)),
                int(f),
                Arg::U32(self.shape.shift_q),
                Arg::U32(self.shape.shift_m),
                Arg::U32(self.shape.amax),
            ],
        )?;
        self.product(rows.m, &layer.down, 0, count, (d, f), product)?;
        self.residual_norm(rows, Some(self.shape.shift_d))
    }

    /// `h = clip(h + rq(product, shift))` if there is a branch, then `a = norm(h)`.
    fn residual_norm(&self, rows: &Rows<'_, D::Memory>, shift: Option<u32>) -> Result<(), Fault> {
        let d = self.sizes.d;
        self.device.launch(
            launch("residual_norm", rows.count, SUM_THREADS),
            &[
                Arg::Memory(rows.h),
                Arg::Memory(&self.work.product),
                long(padded(d)),
                Arg::U32(u32::from(shift.is_some())),
                Arg::U32(shift.unwrap_or(0)),
                Arg::Memory(rows.a),
                long(padded(d)),
                int(d),
                Arg::U32(self.shape.amax),
            ],
        )
    }
}
