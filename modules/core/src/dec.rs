//! Decimals with 18 digits behind the point, the `LegacyDec` of the Cosmos SDK, with its rounding to the last digit.
//!
//! Source of every rule: `cosmossdk.io/math` v1.4.0, `dec.go`; checked against it by `fixtures/numbers.json`.

use std::fmt;
use std::str::FromStr;

use ruint::Uint;
use ruint::aliases::{U256, U320};

use crate::int::{Int, Overflow, ParseError};
use crate::item::Codec;
use crate::signed::{Signed, is_digits, shorten};

/// Digits behind the point.
pub const DECIMALS: usize = 18;

/// `10^18`.
const ONE: u64 = 1_000_000_000_000_000_000;

/// Holds `magnitude * magnitude` and `magnitude * 10^36`.
type Wide = Uint<640, 10>;

/// `2^256 * 10^18`: the first magnitude, in units of `10^-18`, that is too large.
const LIMIT: U320 = U320::from_limbs([0, 0, 0, 0, ONE]);

/// Longest decimal text that is read: sign, 78 digits, point, 18 digits, and room for leading zeros.
const MAX_TEXT: usize = 128;

/// A decimal of 18 digits behind the point, above `-2^256` and below `2^256`, as `cosmossdk.io/math.LegacyDec`.
///
/// On the wire and in state it is the text of the integer `value * 10^18` ([`Dec::to_wire`], codec [`Wire`]); for people
/// and in JSON it has the point (`Display`, `FromStr`, codec [`crate::Text`]).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Dec(Signed<320, 5>);

impl Dec {
    /// 0.
    pub const ZERO: Self = Self::from_atomics(0);
    /// 1.
    pub const ONE: Self = Self::from_atomics(ONE);
    /// `10^-18`.
    pub const SMALLEST: Self = Self::from_atomics(1);

    /// `atomics * 10^-18`: the way to write a constant, such as `from_atomics(50_000_000_000_000_000)` for 0.05.
    pub const fn from_atomics(atomics: u64) -> Self {
        Self(Signed::positive(U320::from_limbs([atomics, 0, 0, 0, 0])))
    }

    /// The whole number.
    pub fn from_int(value: Int) -> Self {
        let magnitude = value.magnitude().widening_mul(Uint::<64, 1>::from(ONE));
        Self(Signed::new(value.is_negative(), magnitude))
    }

    /// `value * 10^-decimals`; `decimals` at most 18.
    ///
    /// # Errors
    /// [`Overflow`] if there are more decimals.
    pub fn with_decimals(value: i64, decimals: u32) -> Result<Self, Overflow> {
        let zeros = 18_u32.checked_sub(decimals).ok_or(Overflow)?;
        let scale = 10_u64.checked_pow(zeros).ok_or(Overflow)?;
        let product = u128::from(value.unsigned_abs()).checked_mul(scale.into()).ok_or(Overflow)?;
        Ok(Self(Signed::new(value.is_negative(), U320::from(product))))
    }

    /// `numerator / denominator`, rounded as [`Dec::checked_quo`].
    ///
    /// # Errors
    /// [`Overflow`] if `denominator` is 0.
    pub fn from_ratio(numerator: Int, denominator: Int) -> Result<Self, Overflow> {
        Self::from_int(numerator).checked_quo(Self::from_int(denominator))
    }

    /// `value * 10^18` as an unsigned integer of 128 bits, if it is one.
    pub fn to_atomics(self) -> Option<u128> {
        (!self.is_negative()).then(|| self.0.magnitude().try_into().ok()).flatten()
    }

    /// Whether it is 0.
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }

    /// Whether it is below 0.
    pub const fn is_negative(self) -> bool {
        self.0.is_negative()
    }

    /// Whether it is above 0.
    pub fn is_positive(self) -> bool {
        self > Self::ZERO
    }

    /// Whether nothing is behind the point.
    pub fn is_integer(self) -> bool {
        split(widen(self.0.magnitude())).1 == 0
    }

    /// `-self`.
    #[must_use]
    pub fn negate(self) -> Self {
        Self(self.0.neg())
    }

    /// The magnitude.
    #[must_use]
    pub const fn abs(self) -> Self {
        Self(Signed::positive(self.0.magnitude()))
    }

    /// The sum.
    ///
    /// # Errors
    /// [`Overflow`] if it does not fit.
    pub fn checked_add(self, other: Self) -> Result<Self, Overflow> {
        let sum = self.0.checked_add(other.0).ok_or(Overflow)?;
        Self::narrow(sum.is_negative(), widen(sum.magnitude()))
    }

    /// The difference.
    ///
    /// # Errors
    /// [`Overflow`] if it does not fit.
    pub fn checked_sub(self, other: Self) -> Result<Self, Overflow> {
        self.checked_add(other.negate())
    }

    /// The product, rounded to the nearest, a half to the even neighbour (`Mul`).
    ///
    /// # Errors
    /// [`Overflow`] if it does not fit.
    pub fn checked_mul(self, other: Self) -> Result<Self, Overflow> {
        Self::narrow(self.sign(other), round_half_even(self.product(other))?)
    }

    /// The product, rounded towards zero (`MulTruncate`).
    ///
    /// # Errors
    /// [`Overflow`] if it does not fit.
    pub fn mul_truncate(self, other: Self) -> Result<Self, Overflow> {
        Self::narrow(self.sign(other), split(self.product(other)).0)
    }

    /// The product with a whole number, exact (`MulInt`).
    ///
    /// # Errors
    /// [`Overflow`] if it does not fit.
    pub fn mul_int(self, other: Int) -> Result<Self, Overflow> {
        let product = widen(self.0.magnitude()).checked_mul(Wide::from(other.magnitude())).ok_or(Overflow)?;
        Self::narrow(self.is_negative() != other.is_negative(), product)
    }

    /// The quotient (`Quo`): cut off at 36 digits, then rounded to 18, a half to the even neighbour.
    ///
    /// # Errors
    /// [`Overflow`] if it does not fit or `other` is 0.
    pub fn checked_quo(self, other: Self) -> Result<Self, Overflow> {
        let (quotient, _) = self.scaled(2)?.div(other)?;
        Self::narrow(self.sign(other), round_half_even(quotient)?)
    }

    /// The quotient, rounded towards zero (`QuoTruncate`).
    ///
    /// # Errors
    /// [`Overflow`] if it does not fit or `other` is 0.
    pub fn quo_truncate(self, other: Self) -> Result<Self, Overflow> {
        let (quotient, _) = self.scaled(1)?.div(other)?;
        Self::narrow(self.sign(other), quotient)
    }

    /// The quotient of numbers that are not negative, rounded up (`QuoRoundUp`).
    ///
    /// Of a negative quotient with a rest the SDK's is `10^-18` above the one rounded up; so is this.
    ///
    /// # Errors
    /// [`Overflow`] if it does not fit or `other` is 0.
    pub fn quo_round_up(self, other: Self) -> Result<Self, Overflow> {
        let (quotient, exact) = self.scaled(1)?.div(other)?;
        let truncated = Self::narrow(self.sign(other), quotient)?;
        if exact || (truncated.is_zero() && self.sign(other)) {
            return Ok(truncated);
        }
        truncated.checked_add(Self::SMALLEST)
    }

    /// The quotient by a whole number, rounded towards zero (`QuoInt`).
    ///
    /// # Errors
    /// [`Overflow`] if `other` is 0.
    pub fn quo_int(self, other: Int) -> Result<Self, Overflow> {
        let quotient = self.0.magnitude().checked_div(U320::from(other.magnitude())).ok_or(Overflow)?;
        Ok(Self(Signed::new(self.is_negative() != other.is_negative(), quotient)))
    }

    /// The power, by squaring, each step rounded as [`Dec::checked_mul`] (`Power`).
    ///
    /// # Errors
    /// [`Overflow`] if a step does not fit.
    pub fn pow(self, exponent: u64) -> Result<Self, Overflow> {
        if exponent == 0 {
            return Ok(Self::ONE);
        }
        let (mut base, mut odd, mut left) = (self, Self::ONE, exponent);
        while left > 1 {
            if left & 1 == 1 {
                odd = odd.checked_mul(base)?;
            }
            left >>= 1;
            base = base.checked_mul(base)?;
        }
        base.checked_mul(odd)
    }

    /// The whole part (`TruncateInt`).
    pub fn truncate_int(self) -> Int {
        let whole = split(widen(self.0.magnitude())).0;
        Int::from_parts(self.is_negative(), U256::saturating_from(whole)) // below 2^256, as LIMIT says
    }

    /// The nearest whole number, a half to the even neighbour (`RoundInt`).
    ///
    /// # Errors
    /// [`Overflow`] if it is `2^256`.
    pub fn round_int(self) -> Result<Int, Overflow> {
        let rounded = round_half_even(widen(self.0.magnitude()))?;
        let magnitude = U256::checked_from_limbs_slice(rounded.as_limbs()).ok_or(Overflow)?;
        Ok(Int::from_parts(self.is_negative(), magnitude))
    }

    /// The smallest whole number that is not below it (`Ceil`).
    ///
    /// # Errors
    /// [`Overflow`] if it is `2^256`.
    pub fn ceil(self) -> Result<Self, Overflow> {
        let whole = Self::from_int(self.truncate_int());
        if self > whole { whole.checked_add(Self::ONE) } else { Ok(whole) }
    }

    /// The text of `value * 10^18`, as in protobuf.
    pub fn to_wire(self) -> String {
        self.0.to_string()
    }

    /// The decimal of a text that [`Dec::to_wire`] writes.
    ///
    /// # Errors
    /// [`ParseError`] if it is none, empty included, or too large.
    pub fn from_wire(text: &str) -> Result<Self, ParseError> {
        Self::in_range(Signed::parse(text)?).ok_or_else(|| ParseError::range(text))
    }

    fn in_range(value: Signed<320, 5>) -> Option<Self> {
        (value.magnitude() < LIMIT).then_some(Self(value))
    }

    fn narrow(negative: bool, magnitude: Wide) -> Result<Self, Overflow> {
        let magnitude = U320::checked_from_limbs_slice(magnitude.as_limbs()).ok_or(Overflow)?;
        Self::in_range(Signed::new(negative, magnitude)).ok_or(Overflow)
    }

    /// Whether a product or quotient with `other` is negative, unless it is 0.
    const fn sign(self, other: Self) -> bool {
        self.is_negative() != other.is_negative()
    }

    fn product(self, other: Self) -> Wide {
        self.0.magnitude().widening_mul(other.0.magnitude())
    }

    /// The magnitude times `10^18`, so many times.
    fn scaled(self, times: u32) -> Result<Numerator, Overflow> {
        let one = Wide::from(ONE);
        let mut value = widen(self.0.magnitude());
        for _ in 0..times {
            value = value.checked_mul(one).ok_or(Overflow)?;
        }
        Ok(Numerator(value))
    }
}

struct Numerator(Wide);

impl Numerator {
    /// Quotient of magnitudes, and whether nothing is left over.
    fn div(self, by: Dec) -> Result<(Wide, bool), Overflow> {
        let by = widen(by.0.magnitude());
        if by.is_zero() {
            return Err(Overflow);
        }
        let (quotient, rest) = self.0.div_rem(by);
        Ok((quotient, rest.is_zero()))
    }
}

fn widen(magnitude: U320) -> Wide {
    Wide::from(magnitude)
}

/// Quotient and rest by `10^18`.
fn split(value: Wide) -> (Wide, u64) {
    let (quotient, rest) = value.div_rem(Wide::from(ONE));
    (quotient, rest.saturating_to())
}

/// `value / 10^18`, a half to the even neighbour (`chopPrecisionAndRound`).
fn round_half_even(value: Wide) -> Result<Wide, Overflow> {
    const HALF: u64 = ONE / 2;
    let (quotient, rest) = split(value);
    let up = rest > HALF || (rest == HALF && quotient.bit(0));
    quotient.checked_add(Wide::from(u8::from(up))).ok_or(Overflow)
}

impl From<Int> for Dec {
    fn from(value: Int) -> Self {
        Self::from_int(value)
    }
}

impl fmt::Display for Dec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = split(widen(self.0.magnitude()));
        f.pad_integral(!self.is_negative(), "", &format!("{whole}.{rest:018}"))
    }
}

impl fmt::Debug for Dec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Optional minus, digits, and optionally a point and 1 to 18 digits (`LegacyNewDecFromStr`, without its `+` and `--`).
impl FromStr for Dec {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let syntax = || ParseError::syntax(text);
        if text.len() > MAX_TEXT {
            return Err(ParseError::range(text));
        }
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, decimals) = match digits.split_once('.') {
            Some((_, "")) => return Err(syntax()),
            Some(parts) => parts,
            None => (digits, ""),
        };
        if !is_digits(whole) || !(decimals.is_empty() || is_digits(decimals)) {
            return Err(syntax());
        }
        if decimals.len() > DECIMALS {
            return Err(ParseError::Precision(shorten(text)));
        }
        Signed::from_digits(negative, &format!("{whole}{decimals:0<18}"))
            .and_then(Self::in_range)
            .ok_or_else(|| ParseError::range(text))
    }
}

/// Decimals as the integer text of protobuf, `value * 10^18`.
#[derive(Debug)]
pub struct Wire;

impl Codec<Dec> for Wire {
    fn encode(value: &Dec) -> Vec<u8> {
        value.to_wire().into_bytes()
    }
    fn decode(bytes: &[u8]) -> Option<Dec> {
        Dec::from_wire(std::str::from_utf8(bytes).ok()?).ok()
    }
}
