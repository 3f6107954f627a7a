//! Coins and gas prices as people write them: `5ugeo,3uatom`, `0.025ugeo`.

use geodesic_proto::cosmos::base::v1beta1::Coin;

/// Most coins in one text.
const COINS_MAX: usize = 64;
/// Most digits of an amount: 256 bits.
const DIGITS_MAX: usize = 78;
/// Places of a gas price.
const PLACES: u32 = 18;

/// Why a text is no coin or price.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not an amount and a denomination.
    #[error("{0:?} is no coin, expected an amount and a denomination such as 100ugeo")]
    Coin(String),
    /// Not a decimal and a denomination.
    #[error("{0:?} is no gas price, expected a decimal and a denomination such as 0.025ugeo")]
    Price(String),
    /// Named twice.
    #[error("denomination {0} stands twice")]
    Twice(String),
    /// More coins than anybody pays with.
    #[error("{0} coins, at most {COINS_MAX} are allowed")]
    TooMany(usize),
    /// Gas times price does not fit.
    #[error("gas {gas} at price {price} is more than 128 bits hold")]
    Overflow {
        /// Units of gas.
        gas: u64,
        /// The price.
        price: String,
    },
}

/// The price of a unit of gas in one denomination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GasPrice {
    /// Units of 10^-18.
    atto: u128,
    denom: String,
}

impl GasPrice {
    /// What `gas` units cost, rounded up.
    ///
    /// # Errors
    /// [`Error::Overflow`].
    pub fn fee(&self, gas: u64) -> Result<Coin, Error> {
        let overflow = || Error::Overflow { gas, price: format!("{}e-18{}", self.atto, self.denom) };
        let amount =
            self.atto.checked_mul(u128::from(gas)).ok_or_else(overflow)?.div_ceil(10_u128.pow(PLACES));
        Ok(Coin { denom: self.denom.clone(), amount: amount.to_string() })
    }
}

/// One coin.
///
/// # Errors
/// [`Error::Coin`].
pub fn parse_coin(text: &str) -> Result<Coin, Error> {
    let invalid = || Error::Coin(text.chars().take(96).collect());
    let text = text.trim();
    let (amount, denom) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).ok_or_else(invalid)?);
    let denom = denom.trim_start();
    if amount.is_empty() || !is_denom(denom) {
        return Err(invalid());
    }
    let amount = match amount.trim_start_matches('0') {
        "" => "0",
        digits if digits.len() > DIGITS_MAX => return Err(invalid()),
        digits => digits,
    };
    Ok(Coin { denom: denom.to_owned(), amount: amount.to_owned() })
}

/// Coins separated by commas, sorted by denomination as the chain wants them, zeros left out; none for an empty text.
///
/// # Errors
/// [`Error`] names the coin.
pub fn parse_coins(text: &str) -> Result<Vec<Coin>, Error> {
    let mut coins = items(text)?.into_iter().map(parse_coin).collect::<Result<Vec<_>, _>>()?;
    coins.retain(|coin| coin.amount != "0");
    sorted(coins)
}

/// Gas prices separated by commas.
///
/// # Errors
/// [`Error`] names the price.
pub fn parse_prices(text: &str) -> Result<Vec<GasPrice>, Error> {
    items(text)?.into_iter().map(parse_price).collect()
}

/// What `gas` units cost at each of these prices; zeros left out.
///
/// # Errors
/// [`Error::Overflow`], [`Error::Twice`].
pub fn fees(prices: &[GasPrice], gas: u64) -> Result<Vec<Coin>, Error> {
    let mut coins = prices.iter().map(|price| price.fee(gas)).collect::<Result<Vec<_>, _>>()?;
    coins.retain(|coin| coin.amount != "0");
    sorted(coins)
}

/// Coins as [`parse_coins`] reads them.
#[must_use]
pub fn show(coins: &[Coin]) -> String {
    let text: Vec<String> = coins.iter().map(|coin| format!("{}{}", coin.amount, coin.denom)).collect();
    text.join(",")
}

fn items(text: &str) -> Result<Vec<&str>, Error> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let items: Vec<&str> = text.split(',').take(COINS_MAX + 1).collect();
    if items.len() > COINS_MAX { Err(Error::TooMany(text.split(',').count())) } else { Ok(items) }
}

fn sorted(mut coins: Vec<Coin>) -> Result<Vec<Coin>, Error> {
    coins.sort_by(|a, b| a.denom.cmp(&b.denom));
    let twice = coins.windows(2).find_map(|pair| match pair {
        [a, b] if a.denom == b.denom => Some(a.denom.clone()),
        _ => None,
    });
    twice.map_or(Ok(coins), |denom| Err(Error::Twice(denom)))
}

fn parse_price(text: &str) -> Result<GasPrice, Error> {
    let invalid = || Error::Price(text.chars().take(96).collect());
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(invalid)?;
    let (number, denom) = text.split_at(end);
    let (whole, places) = number.split_once('.').unwrap_or((number, "0"));
    let pad = (PLACES as usize).checked_sub(places.len()).ok_or_else(invalid)?;
    if whole.is_empty() || places.is_empty() || !is_denom(denom) {
        return Err(invalid());
    }
    let atto = format!("{whole}{places}{}", "0".repeat(pad)).parse().map_err(|_| invalid())?;
    Ok(GasPrice { atto, denom: denom.to_owned() })
}

fn is_denom(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "/:._-".contains(c);
    (3..=128).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coins() {
        for (name, text, want) in [
            ("none", " ", Ok("")),
            ("one", "5ugeo", Ok("5ugeo")),
            ("sorted", "5ugeo, 007uatom", Ok("7uatom,5ugeo")),
            ("zero is none", "0ugeo,1uatom", Ok("1uatom")),
            ("an ibc denom", "1ibc/27394FB0", Ok("1ibc/27394FB0")),
            ("twice", "1ugeo,2ugeo", Err(Error::Twice("ugeo".into()))),
            ("no amount", "ugeo", Err(Error::Coin("ugeo".into()))),
            ("no denomination", "5", Err(Error::Coin("5".into()))),
            ("a fraction", "1.5ugeo", Err(Error::Coin("1.5ugeo".into()))),
            ("negative", "-1ugeo", Err(Error::Coin("-1ugeo".into()))),
            ("denomination too short", "1ab", Err(Error::Coin("1ab".into()))),
        ] {
            assert_eq!(parse_coins(text).map(|c| show(&c)), want.map(str::to_owned), "{name}");
        }
    }

    #[test]
    fn fees_round_up() {
        for (name, price, gas, want) in [
            ("exact", "0.025ugeo", 200_000, Ok("5000ugeo")),
            ("up", "0.0001ugeo", 10_001, Ok("2ugeo")),
            ("whole", "3ugeo", 2, Ok("6ugeo")),
            ("nothing", "0ugeo", 100, Ok("")),
            ("smallest", "0.000000000000000001ugeo", 1, Ok("1ugeo")),
            ("two", "0.5ugeo,1uatom", 3, Ok("3uatom,2ugeo")),
            ("too precise", "0.0000000000000000001ugeo", 1, Err(())),
            ("no number", ".5ugeo", 1, Err(())),
        ] {
            let fee = parse_prices(price).map(|prices| show(&fees(&prices, gas).unwrap()));
            assert_eq!(fee.map_err(|_| ()), want.map(str::to_owned), "{name}");
        }
        let dear = parse_prices("300000000000000000000ugeo").unwrap();
        assert!(matches!(fees(&dear, u64::MAX), Err(Error::Overflow { .. })));
    }
}
