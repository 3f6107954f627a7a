//! Two of three members sign.

use geodesic_auth::{PubKey, keeper};
use geodesic_core::{Address, ExecMode};
use geodesic_proto::any;
use geodesic_proto::cosmos::crypto::multisig::LegacyAminoPubKey;
use geodesic_proto::cosmos::crypto::multisig::v1beta1::{CompactBitArray, MultiSignature};
use geodesic_proto::cosmos::tx::signing::v1beta1::SignMode;
use geodesic_proto::cosmos::tx::v1beta1::ModeInfo;
use geodesic_proto::cosmos::tx::v1beta1::mode_info::{Multi, Sum};
use geodesic_proto::prost::Message;
use geodesic_proto::prost_types::Any;

use crate::support::{Draft, chain, decoded, key_any, run, send_text, sign, single};

fn group() -> Any {
    any::pack(&LegacyAminoPubKey { threshold: 2, public_keys: vec![key_any(1), key_any(2), key_any(3)] })
}

fn group_address() -> Address {
    PubKey::from_any(&group()).unwrap().address()
}

/// A transaction of the group: `set` are the members (1 to 3) whose bit is set, `signers` who signs in their place.
pub(crate) fn draft(set: &[u8], signers: &[u8]) -> Vec<u8> {
    let byte = set.iter().fold(0_u8, |byte, member| byte | 0x80 >> (member - 1));
    draft_with(CompactBitArray { extra_bits_stored: 3, elems: vec![byte] }, signers)
}

fn draft_with(bits: CompactBitArray, signers: &[u8]) -> Vec<u8> {
    let mut draft = Draft::default();
    draft.body.messages = vec![send_text(&group_address().to_bech32("geo"), "")];
    let multi =
        Multi { bitarray: Some(bits), mode_infos: vec![single(SignMode::Direct).unwrap(); signers.len()] };
    let info = &mut draft.auth_info.signer_infos[0];
    info.public_key = Some(group());
    info.mode_info = Some(ModeInfo { sum: Some(Sum::Multi(multi)) });
    let signatures = signers.iter().map(|member| sign(*member, &draft.sign_doc(4))).collect();
    draft.raw(vec![MultiSignature { signatures }.encode_to_vec()])
}

#[test]
fn members_sign_for_the_group() {
    let eight = CompactBitArray { extra_bits_stored: 0, elems: vec![0b1100_0000] };
    for (name, bytes, want) in [
        ("first and second", draft(&[1, 2], &[1, 2]), Ok(2000)),
        ("first and third", draft(&[1, 3], &[1, 3]), Ok(2000)),
        ("all", draft(&[1, 2, 3], &[1, 2, 3]), Ok(3000)),
        ("one", draft(&[1], &[1]), Err("signature size is incorrect 1")),
        ("one, two bits", draft(&[1, 2], &[1]), Err("signature size is incorrect 1")),
        ("one bit, two signatures", draft(&[1], &[1, 2]), Err("have 1, expected 2")),
        ("a signature without a bit", draft(&[1, 2], &[1, 2, 3]), Err("3 signatures for 2 set bits")),
        ("three bits, two signatures", draft(&[1, 2, 3], &[1, 2]), Err("2 signatures for 3 set bits")),
        ("wrong order", draft(&[1, 2], &[2, 1]), Err("unable to verify signature at index 0")),
        ("eight bits for three keys", draft_with(eight, &[1, 2]), Err("expecting: 3")),
    ] {
        let mut ctx = chain(ExecMode::Finalize);
        keeper::ensure_account(&mut ctx, &group_address()).unwrap();
        let tx = decoded(&bytes);
        let result = run(&mut ctx, &tx);
        match want {
            Ok(_) => {
                result.unwrap();
                let account = keeper::require_account(&ctx, &group_address()).unwrap();
                assert_eq!((account.sequence, account.pub_key), (1, tx.pub_keys[0].clone()), "{name}");
                let signatures = ctx.events().iter().filter(|e| e.attributes[0].0 == "signature").count();
                assert_eq!(
                    signatures,
                    tx.signatures().unwrap()[0].data.as_ref().unwrap().event_bytes().len()
                );
            }
            Err(text) => {
                let e = result.unwrap_err();
                assert_eq!((e.codespace, e.code), ("sdk", 4), "{name}: {e}");
                assert!(e.log.contains(text), "{name}: {e}");
            }
        }
    }
}

#[test]
fn each_member_that_signs_costs_gas() {
    let used = |bytes: &[u8]| {
        let mut ctx = chain(ExecMode::Finalize);
        keeper::ensure_account(&mut ctx, &group_address()).unwrap();
        run(&mut ctx, &decoded(bytes)).unwrap();
        ctx.gas.used()
    };
    let (two, three) = (draft(&[1, 2], &[1, 2]), draft(&[1, 2, 3], &[1, 2, 3]));
    let longer = u64::try_from(three.len() - two.len()).unwrap();
    assert_eq!(used(&three) - used(&two), 1000 + 10 * longer);
}

#[test]
fn a_group_of_many_is_too_many_signatures() {
    let many = any::pack(&LegacyAminoPubKey { threshold: 1, public_keys: vec![key_any(1); 8] });
    let address = PubKey::from_any(&many).unwrap().address();
    let mut draft = Draft::default();
    draft.body.messages = vec![send_text(&address.to_bech32("geo"), "")];
    draft.auth_info.signer_infos[0].public_key = Some(many);
    let mut ctx = chain(ExecMode::Finalize);
    keeper::ensure_account(&mut ctx, &address).unwrap();
    let e = run(&mut ctx, &draft.tx()).unwrap_err();
    assert_eq!(
        (e.code, e.log.as_str()),
        (14, "signatures: 8, limit: 7: maximum number of signatures exceeded")
    );
}
