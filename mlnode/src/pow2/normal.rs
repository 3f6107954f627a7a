//! Standard normal numbers as NumPy makes them: the ziggurat of 256 layers.
use super::rng::Pcg64;
use super::tables::{FI, KI, WI};

/// Where the tail begins.
const R: f64 = 3.654_152_885_361_009;
const INVERSE_R: f64 = 0.273_661_237_329_758_3;

fn at(table: &[u64; 256], layer: u8) -> u64 {
    table.get(usize::from(layer)).copied().unwrap_or(0)
}

fn real(table: &[u64; 256], layer: u8) -> f64 {
    f64::from_bits(at(table, layer))
}

impl Pcg64 {
    /// Next number of `Generator.standard_normal`.
    pub fn next_normal(&mut self) -> f64 {
        loop {
            let word = self.next_u64();
            let (layer, sign) = (word as u8, (word >> 8) & 1);
            let draw = (word >> 9) & 0x000F_FFFF_FFFF_FFFF;
            let size = draw as f64 * real(&WI, layer);
            let x = if sign == 1 { -size } else { size };
            if draw < at(&KI, layer) {
                return x;
            }
            let Some(above) = layer.checked_sub(1) else { return self.tail((draw >> 8) & 1 == 1) };
            let (top, bottom) = (real(&FI, above), real(&FI, layer));
            if (top - bottom) * self.next_f64() + bottom < libm::exp(-0.5 * x * x) {
                return x;
            }
        }
    }

    /// Next numbers of `Generator.standard_normal`.
    pub fn normals(&mut self, count: usize) -> impl Iterator<Item = f64> {
        (0..count).map(|_| self.next_normal())
    }

    fn tail(&mut self, negative: bool) -> f64 {
        loop {
            let x = -INVERSE_R * libm::log1p(-self.next_f64());
            let y = -libm::log1p(-self.next_f64());
            if y + y > x * x {
                return if negative { -(R + x) } else { R + x };
            }
        }
    }
}
