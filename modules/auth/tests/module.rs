//! Genesis, messages and queries through the module's one interface.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;

use geodesic_auth::keys::{NO_TIMEOUT_UNTIL, Timeout, UNORDERED};
use geodesic_auth::modules::{MODULE_ACCOUNTS, module_address};
use geodesic_auth::{Account, Auth, Ports, genesis, keeper, params, unordered};
use geodesic_core::{Address, BlockInfo, Ctx, MemStore, Module, QueryError, State, StateError};
use geodesic_proto::any;
use geodesic_proto::cosmos::auth::v1beta1::*;
use geodesic_proto::cosmos::base::query::v1beta1::PageRequest;
use geodesic_proto::prost::Message;
use serde_json::value::RawValue;

struct Governed;

impl Ports for Governed {
    fn authority(&self, _: &Ctx) -> Result<Address, StateError> {
        Ok(module_address("gov"))
    }
}

fn auth() -> Auth<'static> {
    Auth::new(&Governed)
}

fn ctx() -> Ctx {
    let block = BlockInfo { prefix: "geo".into(), ..BlockInfo::default() };
    Ctx::new(block, State::new(Arc::new(MemStore::default())))
}

fn text(byte: u8) -> String {
    Address::from([byte; 20]).to_bech32("geo")
}

fn account(byte: u8, number: u64) -> Account {
    Account::new(&Address::from([byte; 20]), "geo", number)
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.into()).unwrap()
}

#[test]
fn equal_numbers_are_replaced_as_the_sdk_does() {
    for (name, numbers, want) in [
        ("distinct", vec![(1, 5), (2, 0)], vec![(2, 0), (1, 5)]),
        ("all zero", vec![(1, 0), (2, 0), (3, 0)], vec![(1, 0), (2, 1), (3, 2)]),
        (
            "lowest unused, lower duplicates first",
            vec![(1, 9), (2, 9), (3, 1), (4, 1)],
            vec![(4, 0), (3, 1), (2, 2), (1, 9)],
        ),
    ] {
        let mut accounts: Vec<_> = numbers.into_iter().map(|(byte, n)| account(byte, n)).collect();
        genesis::sanitize(&mut accounts);
        let got: Vec<_> = accounts.iter().map(|a| (a.address().as_bytes()[0], a.number)).collect();
        assert_eq!(got, want, "{name}");
    }
}

#[test]
fn genesis_comes_back_as_it_was() {
    let mut first = ctx();
    let state = GenesisState {
        params: Some(Params { tx_sig_limit: 9, ..params::DEFAULT }),
        accounts: vec![account(1, 4).to_any(), account(2, 7).to_any()],
    };
    auth().init_genesis(&mut first, Some(&genesis::raw(&state).unwrap())).unwrap();
    let collector = keeper::get_module_account(&mut first, "fee_collector").unwrap();
    assert_eq!(collector.number, 8, "numbers go on after the greatest");
    assert_eq!(
        keeper::get_module_account(&mut first, "mint").unwrap().number,
        13,
        "the last of the first modules"
    );
    assert_eq!(keeper::next_account_number(&mut first).unwrap(), 14);

    let exported = auth().export_genesis(&first).unwrap();
    let mut second = ctx();
    auth().init_genesis(&mut second, Some(&exported)).unwrap();
    assert_eq!(auth().export_genesis(&second).unwrap().get(), exported.get());
    assert_eq!(keeper::params(&second).unwrap().tx_sig_limit, 9);
}

#[test]
fn an_imported_state_refuses_timeouts_that_may_have_been_used() {
    let who = Address::from([1; 20]);
    for (name, sequence, refused) in [("of a chain that begins", 0, false), ("exported", 3, true)] {
        let mut ctx = ctx();
        ctx.block.time_ns = 50;
        let mut signer = account(1, 0);
        signer.sequence = sequence;
        let accounts = vec![signer.to_any()];
        let state = GenesisState { params: Some(params::DEFAULT), accounts };
        auth().init_genesis(&mut ctx, Some(&genesis::raw(&state).unwrap())).unwrap();
        let last = 50 + unordered::AHEAD_MAX_NS;
        let log = unordered::record(&mut ctx, &who, last).map_err(|e| (e.code, e.log));
        let text = format!(
            "failed to add unordered nonce: timeouts up to {last} may have been used before the export of this state: \
             invalid request"
        );
        assert_eq!(log, if refused { Err((18, text)) } else { Ok(()) }, "{name}");
        unordered::record(&mut ctx, &who, last + 1).unwrap();
        // Nothing is left of it when it can refuse nothing any more.
        ctx.block.time_ns = last + 1;
        auth().begin_block(&mut ctx).unwrap();
        assert_eq!(NO_TIMEOUT_UNTIL.get(&ctx), Ok(None), "{name}");
        assert!(UNORDERED.has(&ctx, &(Timeout(last + 1), who.clone())).unwrap(), "{name}");
    }
}

#[test]
fn keys_of_timeouts_are_those_of_the_sdk() {
    let key = |time| UNORDERED.key(&(Timeout(time), Address::from([7; 20])));
    let hex = |bytes: Vec<u8>| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    assert_eq!(hex(key(1_060_000_000_000)), format!("5a800000f6ccec6800{}", "07".repeat(20)));
    assert!(key(i64::MIN) < key(-1) && key(-1) < key(0) && key(0) < key(i64::MAX));
}

#[test]
fn default_genesis() {
    let mut ctx = ctx();
    auth().init_genesis(&mut ctx, None).unwrap();
    assert_eq!(keeper::params(&ctx).unwrap(), params::DEFAULT);
    assert_eq!(
        auth().default_genesis().get(),
        r#"{"params":{"max_memo_characters":"256","tx_sig_limit":"7","tx_size_cost_per_byte":"10","sig_verify_cost_ed25519":"590","sig_verify_cost_secp256k1":"1000"},"accounts":[]}"#
    );
}

#[test]
fn genesis_that_is_refused() {
    let one = |account: &str| {
        let params =
            auth().default_genesis().get().replace(r#""accounts":[]"#, &format!(r#""accounts":[{account}]"#));
        raw(&params)
    };
    let base =
        |address: &str| format!(r#"{{"@type":"/cosmos.auth.v1beta1.BaseAccount","address":"{address}"}}"#);
    let a = text(1);
    let module = |address: &str, name: &str| {
        format!(
            r#"{{"@type":"/cosmos.auth.v1beta1.ModuleAccount","base_account":{{"address":"{address}"}},"name":"{name}"}}"#
        )
    };
    let keyed = format!(
        r#"{{"@type":"/cosmos.auth.v1beta1.BaseAccount","address":"{a}","pub_key":{{"@type":"/cosmos.crypto.secp256k1.PubKey","key":"Ak9OKtmcNNYLm6YoPJQxqEGK+GcyEpYfl6d7Y3f80Fti"}}}}"#
    );
    let vesting = format!(
        r#"{{"@type":"/cosmos.vesting.v1beta1.DelayedVestingAccount","base_vesting_account":{{"base_account":{{"address":"{a}"}}}}}}"#
    );
    for (name, state, want) in [
        ("no JSON of it", raw(r#"{"accounts":7}"#), "accounts"),
        ("no parameters", raw("{}"), "params: invalid tx signature limit: 0"),
        ("twice", one(&format!("{},{}", base(&a), base(&a))), "accounts[1]: duplicate account"),
        (
            "other prefix",
            one(&base(&Address::from([1; 20]).to_bech32("cosmos"))),
            "expected 'geo' got 'cosmos'",
        ),
        ("no address", one(&base("")), "accounts[0]: account address \"\""),
        ("blank name", one(&module(&a, " ")), "name cannot be blank"),
        ("name of another", one(&module(&a, "gov")), "cannot be derived from the module name 'gov'"),
        ("key of another", one(&keyed), "do not match"),
        ("vesting", one(&vesting), "DelayedVestingAccount\" is not supported"),
    ] {
        let error = auth().init_genesis(&mut ctx(), Some(&state)).unwrap_err();
        assert!(error.reason.contains(want), "{name}: {error}");
    }
}

#[test]
fn only_the_authority_changes_parameters() {
    let gov = module_address("gov").to_bech32("geo");
    let new = Params { max_memo_characters: 99, ..params::DEFAULT };
    for (name, authority, params, want) in [
        ("authority", &gov, Some(new), Ok(())),
        ("someone else", &text(3), Some(new), Err("invalid authority; expected")),
        (
            "zero",
            &gov,
            Some(Params { tx_size_cost_per_byte: 0, ..new }),
            Err("invalid tx size cost per byte: 0"),
        ),
        ("none", &gov, None, Err("invalid tx signature limit: 0")),
    ] {
        let mut ctx = ctx();
        auth().init_genesis(&mut ctx, None).unwrap();
        let any = any::pack(&MsgUpdateParams { authority: authority.clone(), params });
        let msg = auth().decode(&any).unwrap();
        assert_eq!(auth().signers(&msg, "geo").unwrap()[0].to_bech32("geo"), *authority);
        match (auth().handle(&mut ctx, &msg), want) {
            (Ok(reply), Ok(())) => {
                assert_eq!(reply.type_url, "/cosmos.auth.v1beta1.MsgUpdateParamsResponse");
                assert_eq!(keeper::params(&ctx).unwrap(), new);
            }
            (Err(e), Err(want)) => {
                assert!(e.log.contains(want), "{name}: {e}");
                assert_eq!((e.codespace, e.code, e.fatal), ("undefined", 1, false), "{name}");
                assert_eq!(keeper::params(&ctx).unwrap(), params::DEFAULT, "{name}");
            }
            (got, _) => panic!("{name}: {got:?}"),
        }
    }
}

fn ask<Q: Message, R: Message + Default>(ctx: &Ctx, method: &str, request: &Q) -> Result<R, QueryError> {
    let path = format!("/cosmos.auth.v1beta1.Query/{method}");
    auth().query(ctx, &path, &request.encode_to_vec()).map(|bytes| R::decode(bytes.as_slice()).unwrap())
}

fn with_accounts() -> Ctx {
    let mut ctx = ctx();
    auth().init_genesis(&mut ctx, None).unwrap();
    for byte in 1..=3 {
        keeper::ensure_account(&mut ctx, &Address::from([byte; 20])).unwrap();
    }
    ctx
}

#[test]
fn queries_of_accounts() {
    let ctx = with_accounts();
    let address = text(2);
    let reply: QueryAccountResponse =
        ask(&ctx, "Account", &QueryAccountRequest { address: address.clone() }).unwrap();
    let account = Account::from_any(&reply.account.unwrap()).unwrap();
    assert_eq!((account.number, account.sequence, account.address_text()), (7, 0, address.as_str()));

    let reply: QueryAccountInfoResponse =
        ask(&ctx, "AccountInfo", &QueryAccountInfoRequest { address: address.clone() }).unwrap();
    assert_eq!(reply.info.unwrap(), account.to_base());

    let by_id = QueryAccountAddressByIdRequest { account_id: 7, ..Default::default() };
    let reply: QueryAccountAddressByIdResponse = ask(&ctx, "AccountAddressByID", &by_id).unwrap();
    assert_eq!(reply.account_address, address);

    let page = PageRequest { limit: 3, count_total: true, ..PageRequest::default() };
    let reply: QueryAccountsResponse =
        ask(&ctx, "Accounts", &QueryAccountsRequest { pagination: Some(page) }).unwrap();
    let page = reply.pagination.unwrap();
    assert_eq!((reply.accounts.len(), page.total), (3, 9));
    assert_eq!(page.next_key, module_address("bonded_tokens_pool").as_bytes(), "in order of addresses");
}

#[test]
fn queries_of_modules_and_texts() {
    let ctx = with_accounts();
    let reply: QueryModuleAccountsResponse =
        ask(&ctx, "ModuleAccounts", &QueryModuleAccountsRequest {}).unwrap();
    let accounts: Vec<_> = reply.accounts.iter().map(|a| Account::from_any(a).unwrap()).collect();
    let names: Vec<_> = accounts.iter().map(|a| a.module.clone().unwrap().name).collect();
    assert_eq!(names, MODULE_ACCOUNTS.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>());
    let numbers: Vec<_> = accounts.iter().map(|a| a.number).collect();
    assert_eq!(numbers[..4], [2, 1, 0, 9], "those not used yet get the next numbers");

    let request = QueryModuleAccountByNameRequest { name: "pow".into() };
    let reply: QueryModuleAccountByNameResponse = ask(&ctx, "ModuleAccountByName", &request).unwrap();
    assert_eq!(Account::from_any(&reply.account.unwrap()).unwrap().number, 9);

    let reply: Bech32PrefixResponse = ask(&ctx, "Bech32Prefix", &Bech32PrefixRequest {}).unwrap();
    assert_eq!(reply.bech32_prefix, "geo");
    let request = AddressBytesToStringRequest { address_bytes: vec![1; 20] };
    let reply: AddressBytesToStringResponse = ask(&ctx, "AddressBytesToString", &request).unwrap();
    assert_eq!(reply.address_string, text(1));
    let request = AddressStringToBytesRequest { address_string: text(1) };
    let reply: AddressStringToBytesResponse = ask(&ctx, "AddressStringToBytes", &request).unwrap();
    assert_eq!(reply.address_bytes, vec![1; 20]);
    let reply: QueryParamsResponse = ask(&ctx, "Params", &QueryParamsRequest {}).unwrap();
    assert_eq!(reply.params.unwrap(), params::DEFAULT);
}

#[test]
fn queries_that_have_no_answer() {
    use QueryError::{InvalidArgument, NotFound, Unimplemented};
    let ctx = with_accounts();
    let account = |address: &str| QueryAccountRequest { address: address.into() }.encode_to_vec();
    let missing = text(9);
    #[allow(deprecated)]
    let by_id = |id, account_id| QueryAccountAddressByIdRequest { id, account_id }.encode_to_vec();
    for (method, request, want) in [
        ("Account", account(&missing), NotFound(format!("account {missing} not found"))),
        ("Account", account(""), InvalidArgument("address cannot be empty".into())),
        ("Account", vec![0xff], InvalidArgument(String::new())),
        ("AccountInfo", account("geo1x"), InvalidArgument(String::new())),
        (
            "AccountAddressByID",
            by_id(0, 77),
            NotFound("account address not found with account number 77".into()),
        ),
        ("AccountAddressByID", by_id(1, 0), InvalidArgument(String::new())),
        ("ModuleAccountByName", account("nobody"), NotFound("account nobody not found".into())),
        ("ModuleAccountByName", vec![], InvalidArgument("module name is empty".into())),
        ("AddressStringToBytes", account(" "), InvalidArgument("empty address string is not allowed".into())),
        ("AddressBytesToString", vec![], InvalidArgument(String::new())),
        ("Nothing", vec![], Unimplemented("unknown query path /cosmos.auth.v1beta1.Query/Nothing".into())),
    ] {
        let path = format!("/cosmos.auth.v1beta1.Query/{method}");
        let got = auth().query(&ctx, &path, &request).unwrap_err();
        if want.to_string().is_empty() {
            assert_eq!(
                std::mem::discriminant(&got),
                std::mem::discriminant(&want),
                "{method} {request:?}: {got}"
            );
        } else {
            assert_eq!(got, want);
        }
    }
}
