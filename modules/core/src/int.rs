//! Signed integers of 256 bits, the `Int` of the Cosmos SDK.

use std::fmt;
use std::str::FromStr;

use ruint::aliases::{U256, U512};

use crate::error::{QueryError, TxError};
use crate::signed::Signed;

pub use crate::signed::ParseError;

/// A result does not fit its type, or a division by zero.
///
/// In a transaction it becomes what the SDK makes of the panic there: code 111222 of codespace `undefined`. There is no
/// conversion to [`crate::StateError`]: whether the state or a user is at fault, the caller must say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, thiserror::Error)]
#[error("integer overflow or division by zero")]
pub struct Overflow;

impl From<Overflow> for TxError {
    fn from(e: Overflow) -> Self {
        Self::new("undefined", 111_222, format!("recovered: {e}"))
    }
}

impl From<Overflow> for QueryError {
    fn from(e: Overflow) -> Self {
        Self::Internal(e.to_string())
    }
}

/// An integer above `-2^256` and below `2^256`, as `cosmossdk.io/math.Int`.
///
/// Its one text form is digits with an optional minus. The SDK also reads `+1`, `0x10`, `1_0` and octal `010`; nobody
/// writes them, and two texts of one number have no place in signed bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Int(Signed<256, 4>);

impl Int {
    /// 0.
    pub const ZERO: Self = Self(Signed::positive(U256::ZERO));
    /// 1.
    pub const ONE: Self = Self(Signed::positive(U256::ONE));

    pub(crate) fn from_parts(negative: bool, magnitude: U256) -> Self {
        Self(Signed::new(negative, magnitude))
    }

    pub(crate) const fn magnitude(self) -> U256 {
        self.0.magnitude()
    }

    /// `10^exponent`, at most 77.
    ///
    /// # Errors
    /// [`Overflow`] if it does not fit.
    pub fn pow10(exponent: u32) -> Result<Self, Overflow> {
        let power = U256::from(10_u8).checked_pow(U256::from(exponent)).ok_or(Overflow)?;
        Ok(Self::from_parts(false, power))
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

    /// The sum.
    ///
    /// # Errors
    /// [`Overflow`] if it does not fit.
    pub fn checked_add(self, other: Self) -> Result<Self, Overflow> {
        self.0.checked_add(other.0).map(Self).ok_or(Overflow)
    }

    /// The difference.
    ///
    /// # Errors
    /// [`Overflow`] if it does not fit.
    pub fn checked_sub(self, other: Self) -> Result<Self, Overflow> {
        self.checked_add(other.negate())
    }

    /// The product.
    ///
    /// # Errors
    /// [`Overflow`] if it does not fit.
    pub fn checked_mul(self, other: Self) -> Result<Self, Overflow> {
        let magnitude = self.magnitude().checked_mul(other.magnitude()).ok_or(Overflow)?;
        Ok(Self::from_parts(self.is_negative() != other.is_negative(), magnitude))
    }

    /// The quotient, rounded towards zero.
    ///
    /// # Errors
    /// [`Overflow`] if `other` is 0.
    pub fn checked_quo(self, other: Self) -> Result<Self, Overflow> {
        let magnitude = self.magnitude().checked_div(other.magnitude()).ok_or(Overflow)?;
        Ok(Self::from_parts(self.is_negative() != other.is_negative(), magnitude))
    }

    /// The remainder of [`Int::checked_quo`], with the sign of `self`. (The SDK's `Mod` is never negative.)
    ///
    /// # Errors
    /// [`Overflow`] if `other` is 0.
    pub fn checked_rem(self, other: Self) -> Result<Self, Overflow> {
        let magnitude = self.magnitude().checked_rem(other.magnitude()).ok_or(Overflow)?;
        Ok(Self::from_parts(self.is_negative(), magnitude))
    }

    /// `self * factor / divisor` rounded towards zero; the product may have 512 bits.
    ///
    /// # Errors
    /// [`Overflow`] if the result does not fit or `divisor` is 0.
    pub fn mul_div(self, factor: Self, divisor: Self) -> Result<Self, Overflow> {
        let product: U512 = self.magnitude().widening_mul(factor.magnitude());
        let divisor_wide = U512::from(divisor.magnitude());
        let quotient = product.checked_div(divisor_wide).ok_or(Overflow)?;
        let magnitude = U256::checked_from_limbs_slice(quotient.as_limbs()).ok_or(Overflow)?;
        let negative = self.is_negative() != factor.is_negative();
        Ok(Self::from_parts(negative != divisor.is_negative(), magnitude))
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

    /// The value, if it fits.
    pub fn to_u64(self) -> Option<u64> {
        self.to_u128().and_then(|v| v.try_into().ok())
    }

    /// The value, if it fits.
    pub fn to_i64(self) -> Option<i64> {
        let magnitude = i128::try_from(self.abs().to_u128()?).ok()?;
        let value = if self.is_negative() { magnitude.checked_neg()? } else { magnitude };
        value.try_into().ok()
    }

    /// The value, if it fits.
    pub fn to_u128(self) -> Option<u128> {
        (!self.is_negative()).then(|| self.magnitude().try_into().ok()).flatten()
    }
}

macro_rules! from_unsigned {
    ($($t:ty),*) => {$(
        impl From<$t> for Int {
            fn from(value: $t) -> Self {
                Self::from_parts(false, U256::from(value))
            }
        }
    )*};
}
from_unsigned!(u32, u64, u128);

macro_rules! from_signed {
    ($($t:ty),*) => {$(
        impl From<$t> for Int {
            fn from(value: $t) -> Self {
                Self::from_parts(value.is_negative(), U256::from(value.unsigned_abs()))
            }
        }
    )*};
}
from_signed!(i32, i64, i128);

impl fmt::Display for Int {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Int {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Int {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Signed::parse(text).map(Self)
    }
}
