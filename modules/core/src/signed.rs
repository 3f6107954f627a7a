//! Sign and magnitude over `ruint`, shared by [`crate::Int`] and [`crate::Dec`]. Zero has no sign.

use std::cmp::Ordering;
use std::fmt;

use ruint::Uint;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Signed<const B: usize, const L: usize> {
    negative: bool,
    magnitude: Uint<B, L>,
}

impl<const B: usize, const L: usize> Signed<B, L> {
    pub(crate) const fn positive(magnitude: Uint<B, L>) -> Self {
        Self { negative: false, magnitude }
    }

    pub(crate) fn new(negative: bool, magnitude: Uint<B, L>) -> Self {
        Self { negative: negative && !magnitude.is_zero(), magnitude }
    }

    pub(crate) const fn is_negative(&self) -> bool {
        self.negative
    }

    pub(crate) const fn magnitude(&self) -> Uint<B, L> {
        self.magnitude
    }

    pub(crate) fn neg(self) -> Self {
        Self::new(!self.negative, self.magnitude)
    }

    /// `None` if the sum's magnitude has more than `B` bits.
    pub(crate) fn checked_add(self, other: Self) -> Option<Self> {
        if self.negative == other.negative {
            return Some(Self::new(self.negative, self.magnitude.checked_add(other.magnitude)?));
        }
        let (big, small) = if self.magnitude < other.magnitude { (other, self) } else { (self, other) };
        Some(Self::new(big.negative, big.magnitude.checked_sub(small.magnitude)?))
    }

    /// Optional minus and digits; one form only, so neither `+1`, `01`, `-0` nor blanks.
    pub(crate) fn parse(text: &str) -> Result<Self, ParseError> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let padded = digits.starts_with('0') && (negative || digits.len() > 1);
        if padded || !is_digits(digits) {
            return Err(ParseError::syntax(text));
        }
        Self::from_digits(negative, digits).ok_or_else(|| ParseError::range(text))
    }

    /// The number of these digits, checked to be digits; `None` if it has more than `B` bits.
    pub(crate) fn from_digits(negative: bool, digits: &str) -> Option<Self> {
        // 10^(B / 3) is above 2^B: a longer text is never read.
        let digits = digits.trim_start_matches('0');
        if digits.len() > B.div_ceil(3) {
            return None;
        }
        let magnitude = if digits.is_empty() { Uint::ZERO } else { Uint::from_str_radix(digits, 10).ok()? };
        Some(Self::new(negative, magnitude))
    }
}

/// Whether the text is digits, at least one.
pub(crate) fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

impl<const B: usize, const L: usize> Ord for Signed<B, L> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, false) => self.magnitude.cmp(&other.magnitude),
            (true, true) => other.magnitude.cmp(&self.magnitude),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

impl<const B: usize, const L: usize> PartialOrd for Signed<B, L> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<const B: usize, const L: usize> fmt::Display for Signed<B, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad_integral(!self.negative, "", &self.magnitude.to_string())
    }
}

/// Why a text is no number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// It is not written as one.
    #[error("invalid number {0:?}")]
    Syntax(String),
    /// It is too large.
    #[error("number {0:?} is out of range")]
    Range(String),
    /// It has more than 18 digits behind the point.
    #[error("number {0:?} exceeds max precision: max precision 18")]
    Precision(String),
}

impl ParseError {
    pub(crate) fn syntax(text: &str) -> Self {
        Self::Syntax(shorten(text))
    }

    pub(crate) fn range(text: &str) -> Self {
        Self::Range(shorten(text))
    }
}

/// The first 100 characters of a text that a stranger sent, for an error.
pub(crate) fn shorten(text: &str) -> String {
    text.chars().take(100).collect()
}
