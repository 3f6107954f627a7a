//! Another implementation reads and verifies what this one signs.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use cosmrs::Any as CosmrsAny;
use cosmrs::crypto::secp256k1::SigningKey;
use cosmrs::tx::{Body, Fee, SignDoc, SignerInfo};
use geodesic_client::address::Kind;
use geodesic_client::coins::parse_coins;
use geodesic_client::key::{SecretKey, hd_path, new_mnemonic};
use geodesic_client::tx::{Draft, Place};
use geodesic_proto::any;
use geodesic_proto::cosmos::bank::v1beta1::MsgSend;
use proptest::prelude::*;

fn draft(from: &str, amount: u64, memo: String, gas: u64, timeout_height: u64) -> Draft {
    let message = MsgSend {
        from_address: from.to_owned(),
        to_address: from.to_owned(),
        amount: parse_coins(&format!("{amount}ugeo")).unwrap(),
    };
    let fee = parse_coins("7ugeo").unwrap();
    Draft { messages: vec![any::pack(&message)], memo, timeout_height, fee, gas, ..Draft::default() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn the_same_sign_bytes_and_the_same_transaction(
        secret in 1..u64::MAX,
        amount in 1..u64::MAX,
        memo in "[a-z<>&\"é ]{0,40}",
        gas in 0..1_u64 << 40,
        timeout_height in 0..1_u64 << 32,
        account_number: u64,
        sequence: u64,
    ) {
        let mut bytes = [7; 32];
        bytes[24..].copy_from_slice(&secret.to_be_bytes());
        let ours = SecretKey::from_bytes(&bytes).unwrap();
        let theirs = SigningKey::from_slice(&bytes).unwrap();
        let from = Kind::Account.encode("geo", &ours.public().address()).unwrap();
        prop_assert_eq!(theirs.public_key().account_id("geo").unwrap().to_string(), from.clone());

        let draft = draft(&from, amount, memo.clone(), gas, timeout_height);
        let place = Place { chain_id: "geodesic-local-1", account_number, sequence };
        let any = &draft.messages[0];
        let body = Body::new(
            vec![CosmrsAny { type_url: any.type_url.clone(), value: any.value.clone() }],
            memo,
            u32::try_from(timeout_height).unwrap(),
        );
        let fee = Fee {
            amount: vec![cosmrs::Coin { denom: "ugeo".parse().unwrap(), amount: 7 }],
            gas_limit: gas,
            payer: None,
            granter: None,
        };
        let auth_info = SignerInfo::single_direct(Some(theirs.public_key()), sequence).auth_info(fee);
        let doc = SignDoc::new(&body, &auth_info, &"geodesic-local-1".parse().unwrap(), account_number).unwrap();
        prop_assert_eq!(doc.clone().into_bytes().unwrap(), draft.sign_bytes(&ours.public(), place));
        let signed = draft.sign(&ours, place);
        prop_assert_eq!(doc.sign(&theirs).unwrap().to_bytes().unwrap(), signed.bytes.clone());
        let read = cosmrs::Tx::from_bytes(&signed.bytes).unwrap();
        prop_assert_eq!(read.body.memo, draft.memo);
        prop_assert_eq!(read.auth_info.signer_infos[0].sequence, sequence);
    }
}

#[test]
fn fresh_words_are_keys_elsewhere_too() {
    let words = new_mnemonic().unwrap();
    let ours = SecretKey::from_mnemonic(&words, &hd_path(118, 0, 0)).unwrap();
    let theirs = SigningKey::from_slice(ours.to_bytes().as_slice()).unwrap();
    assert_eq!(theirs.public_key().to_bytes(), ours.public().as_bytes().to_vec());
}
