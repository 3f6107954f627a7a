//! Amounts with a fraction: gas prices, rewards.

use std::fmt;
use std::str::FromStr;

use geodesic_proto::cosmos::base::v1beta1 as pb;

use super::{CoinError, Entry, MAX_PARSED, position, validate_denom, validate_set, write_set};
use crate::dec::Dec;
use crate::signed::shorten;

/// A decimal amount of one denomination, such as a gas price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecCoin {
    /// Denomination.
    pub denom: String,
    /// How much.
    pub amount: Dec,
}

impl fmt::Display for DecCoin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.amount, self.denom)
    }
}

/// `0.025stake`, with blanks around and between allowed (`ParseDecCoin`).
impl FromStr for DecCoin {
    type Err = CoinError;

    fn from_str(text: &str) -> Result<Self, CoinError> {
        let text = text.trim_ascii();
        let expression = || CoinError::Expression(shorten(text));
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(expression)?;
        let (amount, denom) = text.split_at_checked(end).ok_or_else(expression)?;
        let denom = denom.trim_ascii_start();
        validate_denom(denom).map_err(|_| expression())?;
        Ok(Self { denom: denom.to_owned(), amount: amount.parse()? })
    }
}

impl From<&DecCoin> for pb::DecCoin {
    fn from(coin: &DecCoin) -> Self {
        Self { denom: coin.denom.clone(), amount: coin.amount.to_wire() }
    }
}

impl Entry for DecCoin {
    fn denom(&self) -> &str {
        &self.denom
    }
    fn is_positive(&self) -> bool {
        self.amount.is_positive()
    }
}

/// Decimal coins of distinct denominations in ascending order, each above 0. Its `Display` and `FromStr` are
/// `0.025stake,0.1uatom`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DecCoins(pub(super) Vec<DecCoin>);

impl DecCoins {
    /// The set of these coins in any order; zero amounts are left out (`NewDecCoins`).
    ///
    /// # Errors
    /// [`CoinError`] on an invalid or repeated denomination or a negative amount.
    pub fn try_new(coins: impl IntoIterator<Item = DecCoin>) -> Result<Self, CoinError> {
        let mut coins: Vec<_> = coins.into_iter().filter(|c| !c.amount.is_zero()).collect();
        coins.sort_by(|a, b| a.denom.cmp(&b.denom));
        validate_set(&coins)?;
        Ok(Self(coins))
    }

    /// The coins, ascending by denomination.
    pub fn iter(&self) -> std::slice::Iter<'_, DecCoin> {
        self.0.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How much of `denom`, 0 if there is none.
    pub fn amount_of(&self, denom: &str) -> Dec {
        position(&self.0, denom).ok().and_then(|i| self.0.get(i)).map_or(Dec::ZERO, |c| c.amount)
    }

    /// The coins as in protobuf.
    pub fn to_pb(&self) -> Vec<pb::DecCoin> {
        self.iter().map(Into::into).collect()
    }
}

/// In any order, each valid and once, zeros left out; the empty text is the empty set (`ParseDecCoins`).
impl FromStr for DecCoins {
    type Err = CoinError;

    fn from_str(text: &str) -> Result<Self, CoinError> {
        let text = text.trim_ascii();
        if text.is_empty() {
            return Ok(Self::default());
        }
        let commas = text.bytes().filter(|b| *b == b',').count();
        if commas >= MAX_PARSED {
            return Err(CoinError::TooMany(commas.saturating_add(1)));
        }
        Self::try_new(text.split(',').map(str::parse).collect::<Result<Vec<_>, _>>()?)
    }
}

impl fmt::Display for DecCoins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_set(&self.0, f)
    }
}
