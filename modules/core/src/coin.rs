//! Amounts of denominations, with the rules of the Cosmos SDK (`types/coin.go`, `types/dec_coin.go`).

mod decimal;

use std::fmt;
use std::str::FromStr;

use geodesic_proto::cosmos::base::v1beta1 as pb;

use crate::error::{Sdk, TxError};
use crate::int::{Int, Overflow, ParseError};
use crate::signed::shorten;

pub use decimal::{DecCoin, DecCoins};

/// Most coins in one text.
pub const MAX_PARSED: usize = 256;

/// Why something is no coin, or no set of coins.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CoinError {
    /// Not `[a-zA-Z][a-zA-Z0-9/:._-]{2,127}`.
    #[error("invalid denom: {0}")]
    Denom(String),
    /// The amount is no number.
    #[error(transparent)]
    Amount(#[from] ParseError),
    /// The amount is below 0.
    #[error("negative coin amount: {0}")]
    Negative(String),
    /// The amount is not above 0, in a set.
    #[error("coin {0} amount is not positive")]
    NotPositive(String),
    /// A denomination stands behind a greater one.
    #[error("denomination {0} is not sorted")]
    Unsorted(String),
    /// A denomination stands there twice.
    #[error("duplicate denomination {0}")]
    Duplicate(String),
    /// Not an amount and a denomination.
    #[error("invalid decimal coin expression: {0}")]
    Expression(String),
    /// More than [`MAX_PARSED`].
    #[error("{0} coins, allowed are 256")]
    TooMany(usize),
}

impl From<CoinError> for TxError {
    fn from(e: CoinError) -> Self {
        Sdk::InvalidCoins.with(e)
    }
}

/// Checks a denomination: `[a-zA-Z][a-zA-Z0-9/:._-]{2,127}`.
///
/// # Errors
/// [`CoinError::Denom`].
pub fn validate_denom(denom: &str) -> Result<(), CoinError> {
    let tail = |b: &u8| b.is_ascii_alphanumeric() || b"/:._-".contains(b);
    let ok = match denom.as_bytes() {
        [first, rest @ ..] => {
            first.is_ascii_alphabetic() && (2..=127).contains(&rest.len()) && rest.iter().all(tail)
        }
        [] => false,
    };
    if ok { Ok(()) } else { Err(CoinError::Denom(shorten(denom))) }
}

/// The text of coins that need not be valid, such as `10stake,-5atoken`.
pub fn show(coins: &[pb::Coin]) -> String {
    let text = |coin: &pb::Coin| match coin.amount.as_str() {
        "" => format!("<nil>{}", coin.denom),
        amount => format!("{amount}{}", coin.denom),
    };
    coins.iter().map(text).collect::<Vec<_>>().join(",")
}

/// An amount of one denomination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coin {
    /// Denomination, such as `ugeo`.
    pub denom: String,
    /// How much.
    pub amount: Int,
}

impl Coin {
    /// A coin of a valid denomination and an amount that is not negative.
    ///
    /// # Errors
    /// [`CoinError::Denom`], [`CoinError::Negative`].
    pub fn try_new(denom: impl Into<String>, amount: impl Into<Int>) -> Result<Self, CoinError> {
        let coin = Self { denom: denom.into(), amount: amount.into() };
        coin.validate()?;
        Ok(coin)
    }

    /// Checks the denomination, and that the amount is not negative.
    ///
    /// # Errors
    /// [`CoinError::Denom`], [`CoinError::Negative`].
    pub fn validate(&self) -> Result<(), CoinError> {
        validate_denom(&self.denom)?;
        if self.amount.is_negative() { Err(CoinError::Negative(self.to_string())) } else { Ok(()) }
    }

    /// Whether the amount is 0.
    pub fn is_zero(&self) -> bool {
        self.amount.is_zero()
    }

    /// Whether the amount is above 0.
    pub fn is_positive(&self) -> bool {
        self.amount.is_positive()
    }
}

impl fmt::Display for Coin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.amount, self.denom)
    }
}

/// `10stake`; a part behind the point is cut off (`ParseCoinNormalized` without registered units).
impl FromStr for Coin {
    type Err = CoinError;

    fn from_str(text: &str) -> Result<Self, CoinError> {
        text.parse().map(|c: DecCoin| Self { amount: c.amount.truncate_int(), denom: c.denom })
    }
}

impl From<Coin> for pb::Coin {
    fn from(coin: Coin) -> Self {
        Self { amount: coin.amount.to_string(), denom: coin.denom }
    }
}

impl From<&Coin> for pb::Coin {
    fn from(coin: &Coin) -> Self {
        coin.clone().into()
    }
}

/// Checks as [`Coin::try_new`].
impl TryFrom<&pb::Coin> for Coin {
    type Error = CoinError;

    fn try_from(coin: &pb::Coin) -> Result<Self, CoinError> {
        Self::try_new(coin.denom.as_str(), coin.amount.parse::<Int>()?)
    }
}

/// Checks as [`Coin::try_new`].
impl TryFrom<pb::Coin> for Coin {
    type Error = CoinError;

    fn try_from(coin: pb::Coin) -> Result<Self, CoinError> {
        Self::try_new(coin.denom, coin.amount.parse::<Int>()?)
    }
}

/// What a sorted set holds.
trait Entry: fmt::Display {
    fn denom(&self) -> &str;
    fn is_positive(&self) -> bool;
}

impl Entry for Coin {
    fn denom(&self) -> &str {
        &self.denom
    }
    fn is_positive(&self) -> bool {
        self.amount.is_positive()
    }
}

/// Valid denominations, ascending, each once, positive (`Coins.Validate`).
fn validate_set<E: Entry>(set: &[E]) -> Result<(), CoinError> {
    let mut last: Option<&str> = None;
    for entry in set {
        let denom = entry.denom();
        validate_denom(denom)?;
        match last {
            Some(last) if denom < last => return Err(CoinError::Unsorted(denom.to_owned())),
            Some(last) if denom == last => return Err(CoinError::Duplicate(denom.to_owned())),
            _ => last = Some(denom),
        }
        if !entry.is_positive() {
            return Err(CoinError::NotPositive(entry.to_string()));
        }
    }
    Ok(())
}

fn position<E: Entry>(set: &[E], denom: &str) -> Result<usize, usize> {
    set.binary_search_by(|e| e.denom().cmp(denom))
}

fn write_set<E: Entry>(set: &[E], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    set.iter().enumerate().try_for_each(|(i, entry)| {
        let comma = if i == 0 { "" } else { "," };
        write!(f, "{comma}{entry}")
    })
}

/// Coins of distinct denominations in ascending order, each above 0: always a valid set. Its `Display` and `FromStr` are
/// `10atoken,5stake`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Coins(Vec<Coin>);

impl Coins {
    /// The set of these coins in any order; zero amounts are left out (`NewCoins`).
    ///
    /// # Errors
    /// [`CoinError`] on an invalid or repeated denomination or a negative amount.
    pub fn try_new(coins: impl IntoIterator<Item = Coin>) -> Result<Self, CoinError> {
        let mut coins: Vec<_> = coins.into_iter().filter(|c| !c.is_zero()).collect();
        coins.sort_by(|a, b| a.denom.cmp(&b.denom));
        Self::try_sorted(coins)
    }

    /// The set of coins that are sorted and positive already (`IsValid`).
    ///
    /// # Errors
    /// [`CoinError`] says what is wrong with which.
    pub fn try_sorted(coins: Vec<Coin>) -> Result<Self, CoinError> {
        validate_set(&coins)?;
        Ok(Self(coins))
    }

    /// The coins, ascending by denomination.
    pub fn as_slice(&self) -> &[Coin] {
        &self.0
    }

    /// The coins, ascending by denomination.
    pub fn iter(&self) -> std::slice::Iter<'_, Coin> {
        self.0.iter()
    }

    /// Whether there is none; a set has no zero coins, so this is the SDK's `IsZero` too.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many denominations.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// How much of `denom`, 0 if there is none.
    pub fn amount_of(&self, denom: &str) -> Int {
        position(&self.0, denom).ok().and_then(|i| self.0.get(i)).map_or(Int::ZERO, |c| c.amount)
    }

    /// Adds a coin.
    ///
    /// # Errors
    /// [`Overflow`] if the amount does not fit; the set stays as it was.
    pub fn add_coin(&mut self, coin: &Coin) -> Result<(), Overflow> {
        self.change(&coin.denom, coin.amount).map(drop)
    }

    /// The sum.
    ///
    /// # Errors
    /// [`Overflow`] if an amount does not fit.
    pub fn checked_add(&self, other: &Self) -> Result<Self, Overflow> {
        let mut sum = self.clone();
        other.iter().try_for_each(|c| sum.add_coin(c))?;
        Ok(sum)
    }

    /// The difference; `None` if it would be negative in any denomination (`SafeSub`).
    pub fn checked_sub(&self, other: &Self) -> Option<Self> {
        let mut rest = self.clone();
        for coin in other.iter() {
            if coin.amount > rest.amount_of(&coin.denom) {
                return None;
            }
            rest.change(&coin.denom, coin.amount.negate()).ok()?;
        }
        Some(rest)
    }

    /// Changes an amount; the caller has made sure that it does not fall below 0.
    fn change(&mut self, denom: &str, by: Int) -> Result<(), Overflow> {
        match position(&self.0, denom) {
            Ok(i) => {
                let amount = self.amount_of(denom).checked_add(by)?;
                if amount.is_zero() {
                    self.0.remove(i);
                } else if let Some(coin) = self.0.get_mut(i) {
                    coin.amount = amount;
                }
            }
            Err(_) if by.is_zero() => {}
            Err(i) => self.0.insert(i, Coin { denom: denom.to_owned(), amount: by }),
        }
        Ok(())
    }

    /// Whether every denomination of `self` is in `other`.
    pub fn denoms_subset_of(&self, other: &Self) -> bool {
        self.iter().all(|c| !other.amount_of(&c.denom).is_zero())
    }

    /// Whether `self` has at least as much of every denomination as `other`.
    pub fn is_all_gte(&self, other: &Self) -> bool {
        other.iter().all(|c| self.amount_of(&c.denom) >= c.amount)
    }

    /// Whether `self` has more of every denomination of `other`; never if `self` is empty.
    pub fn is_all_gt(&self, other: &Self) -> bool {
        !self.is_empty() && other.iter().all(|c| self.amount_of(&c.denom) > c.amount)
    }

    /// Whether `self` has more of any denomination of `other`.
    pub fn is_any_gt(&self, other: &Self) -> bool {
        other.iter().any(|c| self.amount_of(&c.denom) > c.amount)
    }

    /// Whether `self` has at least as much of any denomination of `other`.
    pub fn is_any_gte(&self, other: &Self) -> bool {
        other.iter().any(|c| self.amount_of(&c.denom) >= c.amount)
    }

    /// The smaller amount of each denomination that both have (`Min`).
    #[must_use]
    pub fn min(&self, other: &Self) -> Self {
        let smaller =
            |c: &Coin| Coin { denom: c.denom.clone(), amount: c.amount.min(other.amount_of(&c.denom)) };
        Self(self.iter().map(smaller).filter(|c| !c.is_zero()).collect())
    }

    /// The coins as in protobuf.
    pub fn to_pb(&self) -> Vec<pb::Coin> {
        self.iter().map(Into::into).collect()
    }
}

/// A set of one coin, or of none if it is 0; fails as [`Coins::try_new`].
impl TryFrom<Coin> for Coins {
    type Error = CoinError;

    fn try_from(coin: Coin) -> Result<Self, CoinError> {
        Self::try_new([coin])
    }
}

/// Checks as [`Coins::try_sorted`].
impl TryFrom<&[pb::Coin]> for Coins {
    type Error = CoinError;

    fn try_from(coins: &[pb::Coin]) -> Result<Self, CoinError> {
        let read = |c: &pb::Coin| Ok(Coin { denom: c.denom.clone(), amount: c.amount.parse()? });
        Self::try_sorted(coins.iter().map(read).collect::<Result<_, ParseError>>()?)
    }
}

impl From<Coins> for Vec<Coin> {
    fn from(coins: Coins) -> Self {
        coins.0
    }
}

impl IntoIterator for Coins {
    type Item = Coin;
    type IntoIter = std::vec::IntoIter<Coin>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Coins {
    type Item = &'a Coin;
    type IntoIter = std::slice::Iter<'a, Coin>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl fmt::Display for Coins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_set(&self.0, f)
    }
}

/// `10stake,5atoken` in any order, each denomination once; parts behind the point are cut off, zeros left out, an empty
/// text is the empty set (`ParseCoinsNormalized` without registered units). At most [`MAX_PARSED`].
impl FromStr for Coins {
    type Err = CoinError;

    fn from_str(text: &str) -> Result<Self, CoinError> {
        let coins: DecCoins = text.parse()?;
        Self::try_new(coins.0.into_iter().map(|c| Coin { amount: c.amount.truncate_int(), denom: c.denom }))
    }
}
