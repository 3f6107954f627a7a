//! Who must sign a transaction: what the option `cosmos.msg.v1.signer` of its messages names.

use geodesic_proto::cosmos::tx::v1beta1::Tx;
use geodesic_proto::pool;
use geodesic_proto::prost_reflect::{DynamicMessage, MessageDescriptor, ReflectMessage as _, Value};

use crate::address;

/// The option of a message type that names the fields of its signers.
const OPTION: &str = "cosmos.msg.v1.signer";
/// Deepest nesting of the messages that signers stand in.
const DEPTH_MAX: u32 = 8;
/// Most signers of a transaction; far above what a chain verifies.
const SIGNERS_MAX: usize = 1000;

/// Why the signers of a transaction cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is nothing to sign.
    #[error("the transaction has no body")]
    NoBody,
    /// A message that this program does not know.
    #[error("message {0:?} is not known")]
    Unknown(String),
    /// A message that does not decode.
    #[error("message {0} does not decode")]
    Malformed(String),
    /// A message type that names no signer.
    #[error("message {0} does not say who signs it")]
    NoSigner(String),
    /// A signer that is no address.
    #[error(transparent)]
    Address(#[from] address::Error),
    /// More than anybody's.
    #[error("more than {SIGNERS_MAX} signers")]
    TooMany,
}

/// The bytes of those who must sign: the signers of each message in order, each once; at last a fee payer that is named.
///
/// # Errors
/// [`Error`] names the message or the address.
pub fn signers(tx: &Tx) -> Result<Vec<Vec<u8>>, Error> {
    let body = tx.body.as_ref().ok_or(Error::NoBody)?;
    let mut texts = Vec::new();
    for any in &body.messages {
        let name = any.type_url.strip_prefix('/').unwrap_or(&any.type_url);
        let descriptor = pool()
            .get_message_by_name(name)
            .ok_or_else(|| Error::Unknown(any.type_url.chars().take(96).collect()))?;
        let message = DynamicMessage::decode(descriptor, any.value.as_slice())
            .map_err(|_| Error::Malformed(name.to_owned()))?;
        collect(&message, DEPTH_MAX, &mut texts)?;
    }
    if let Some(fee) =
        tx.auth_info.as_ref().and_then(|info| info.fee.as_ref()).filter(|fee| !fee.payer.is_empty())
    {
        texts.push(fee.payer.clone());
    }
    let mut found: Vec<Vec<u8>> = Vec::new();
    for text in texts {
        let (_, bytes) = address::decode(&text)?;
        if !found.contains(&bytes) {
            found.push(bytes);
        }
    }
    Ok(found)
}

fn collect(message: &DynamicMessage, depth: u32, out: &mut Vec<String>) -> Result<(), Error> {
    let descriptor = message.descriptor();
    let no_signer = || Error::NoSigner(descriptor.full_name().to_owned());
    let depth = depth.checked_sub(1).ok_or_else(no_signer)?;
    let fields = named(&descriptor).filter(|fields| !fields.is_empty()).ok_or_else(no_signer)?;
    for field in fields {
        let value = message.get_field_by_name(&field).ok_or_else(no_signer)?;
        match value.as_ref() {
            Value::List(values) => values.iter().try_for_each(|value| one(value, depth, out))?,
            value => one(value, depth, out)?,
        }
    }
    Ok(())
}

fn one(value: &Value, depth: u32, out: &mut Vec<String>) -> Result<(), Error> {
    if out.len() >= SIGNERS_MAX {
        return Err(Error::TooMany);
    }
    match value {
        Value::String(text) => out.push(text.clone()),
        Value::Message(inner) => collect(inner, depth, out)?,
        _ => {}
    }
    Ok(())
}

/// The fields that a message type's option names.
fn named(descriptor: &MessageDescriptor) -> Option<Vec<String>> {
    let extension = pool().get_extension_by_name(OPTION)?;
    let options = descriptor.options();
    let value = options.get_extension(&extension);
    let text = |value: &Value| value.as_str().map(str::to_owned);
    value.as_list()?.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use geodesic_proto::any;
    use geodesic_proto::cosmos::bank::v1beta1::{Input, MsgMultiSend, MsgSend};
    use geodesic_proto::cosmos::staking::v1beta1::MsgDelegate;
    use geodesic_proto::cosmos::tx::v1beta1::{AuthInfo, Fee, TxBody};
    use prost_types::Any;

    use super::*;
    use crate::address::Kind;

    fn account(n: u8) -> String {
        Kind::Account.encode("geo", &[n; 20]).unwrap()
    }

    fn of(messages: Vec<Any>, payer: &str) -> Result<Vec<Vec<u8>>, Error> {
        let fee = Some(Fee { payer: payer.to_owned(), ..Fee::default() });
        let body = Some(TxBody { messages, ..TxBody::default() });
        signers(&Tx {
            body,
            auth_info: Some(AuthInfo { fee, ..AuthInfo::default() }),
            signatures: Vec::new(),
        })
    }

    #[test]
    fn signers_are_those_that_messages_name_each_once() {
        let send = any::pack(&MsgSend { from_address: account(1), ..MsgSend::default() });
        let delegate = any::pack(&MsgDelegate { delegator_address: account(2), ..MsgDelegate::default() });
        let inputs = [3, 1].map(|n| Input { address: account(n), coins: Vec::new() }).to_vec();
        let many = any::pack(&MsgMultiSend { inputs, outputs: Vec::new() });
        let found = of(vec![send.clone(), delegate, many], &account(9)).unwrap();
        assert_eq!(found, [1, 2, 3, 9].map(|n| vec![n; 20]));
        assert_eq!(of(vec![send], &account(1)).unwrap(), [vec![1; 20]]);
    }

    #[test]
    fn a_message_without_a_signer_is_named() {
        let empty = any::pack(&MsgSend::default());
        assert!(matches!(of(vec![empty], ""), Err(Error::Address(_))));
        let coin = Any { type_url: "/cosmos.base.v1beta1.Coin".into(), value: Vec::new() };
        assert!(matches!(of(vec![coin], ""), Err(Error::NoSigner(_))));
        let unknown = Any { type_url: "/no.Such".into(), value: Vec::new() };
        assert!(matches!(of(vec![unknown], ""), Err(Error::Unknown(_))));
    }
}
