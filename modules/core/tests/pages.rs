//! Turning pages as clients of the Cosmos SDK do.
#![allow(
    clippy::unwrap_used,
    clippy::as_conversions,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing
)]

use std::sync::Arc;

use geodesic_core::page::{MAX_LIMIT, paginate};
use geodesic_core::{BlockInfo, Ctx, Map, MemStore, QueryError, State, StoreId};
use geodesic_proto::cosmos::base::query::v1beta1::{PageRequest, PageResponse};
use proptest::prelude::*;

const STORE: StoreId = StoreId::tree("s");
/// `1 | owner:u8 | name -> number`, between two neighbours.
static MAP: Map<(u8, String), u64> = Map::new(STORE, &[1]);
static BELOW: Map<u8, u64> = Map::new(STORE, &[0]);
static ABOVE: Map<u8, u64> = Map::new(STORE, &[2]);

fn ctx(entries: impl IntoIterator<Item = (u8, String, u64)>) -> Ctx {
    let mut ctx = Ctx::new(BlockInfo::default(), State::new(Arc::new(MemStore::default())));
    BELOW.set(&mut ctx, &0xff, &0).unwrap();
    ABOVE.set(&mut ctx, &0, &0).unwrap();
    for (owner, name, value) in entries {
        MAP.set(&mut ctx, &(owner, name), &value).unwrap();
    }
    ctx
}

fn five() -> Ctx {
    ctx(["a", "ab", "b", "c", "d"]
        .into_iter()
        .zip(1..)
        .map(|(n, v)| (7, n.to_owned(), v))
        .chain([(6, "x".to_owned(), 60), (8, "y".to_owned(), 80)]))
}

fn page(
    ctx: &Ctx,
    request: &PageRequest,
    keep: impl Fn(u64) -> bool,
) -> Result<(Vec<u64>, PageResponse), QueryError> {
    paginate(ctx, &MAP, &7_u8, Some(request), |_, v| Ok(keep(v).then_some(v)))
}

fn request(key: &str, offset: u64, limit: u64, count_total: bool, reverse: bool) -> PageRequest {
    PageRequest { key: key.into(), offset, limit, count_total, reverse }
}

#[test]
fn pages() {
    let ctx = five();
    for (name, request, want, next, total) in [
        ("default", request("", 0, 0, false, false), &[1, 2, 3, 4, 5][..], "", 5),
        ("first", request("", 0, 2, false, false), &[1, 2], "b", 0),
        ("first, counted", request("", 0, 2, true, false), &[1, 2], "b", 5),
        ("by key", request("b", 0, 2, true, false), &[3, 4], "d", 0),
        ("last by key", request("d", 0, 2, false, false), &[5], "", 0),
        ("exactly the rest", request("c", 0, 2, false, false), &[4, 5], "", 0),
        ("key between", request("aa", 0, 1, false, false), &[2], "b", 0),
        ("key behind all", request("e", 0, 1, false, false), &[], "", 0),
        ("by offset", request("", 3, 1, true, false), &[4], "d", 5),
        ("offset behind all", request("", 9, 1, true, false), &[], "", 5),
        ("largest numbers", request("", u64::MAX, u64::MAX, false, false), &[], "", 0),
        ("backwards", request("", 0, 2, false, true), &[5, 4], "b", 0),
        ("backwards by key", request("a", 0, 2, false, true), &[1], "", 0),
        ("backwards, not what begins alike", request("b", 0, 2, false, true), &[3, 2], "a", 0),
        ("backwards, key gone", request("bb", 0, 1, false, true), &[3], "ab", 0),
    ] {
        let (items, page) = page(&ctx, &request, |_| true).unwrap();
        assert_eq!(
            (items.as_slice(), page.next_key.as_slice(), page.total),
            (want, next.as_bytes(), total),
            "{name}"
        );
    }
    let (items, all) = paginate(&ctx, &MAP, &(), None, |k, v| Ok(Some((k.0, v)))).unwrap();
    assert_eq!((items.len(), all.total), (7, 7));
    let (_, first) =
        paginate(&ctx, &MAP, &(), Some(&request("", 0, 1, false, false)), |_, v| Ok(Some(v))).unwrap();
    assert_eq!(first.next_key, b"\x07a", "relative to the part that was asked for");
}

#[test]
fn only_what_is_wanted_counts() {
    let ctx = five();
    let odd = |v| v % 2 == 1;
    for (name, request, want, next, total) in [
        ("first", request("", 0, 1, false, false), &[1][..], "b", 0),
        ("counted", request("", 1, 1, true, false), &[3], "d", 3),
        ("by key: the next entry, wanted or not", request("a", 0, 1, false, false), &[1], "ab", 0),
        ("which goes on with the next item", request("ab", 0, 1, false, false), &[3], "c", 0),
    ] {
        let (items, page) = page(&ctx, &request, odd).unwrap();
        assert_eq!(
            (items.as_slice(), page.next_key.as_slice(), page.total),
            (want, next.as_bytes(), total),
            "{name}"
        );
    }
}

#[test]
fn refusals_and_bounds() {
    let error = page(&five(), &request("a", 1, 0, false, false), |_| true).unwrap_err();
    let text = "invalid request, either offset or key is expected, got both";
    assert_eq!(error, QueryError::InvalidArgument(text.to_owned()));
    let refused =
        paginate(&five(), &MAP, &(), None, |_, _| Err::<Option<()>, _>(QueryError::NotFound("x".into())));
    assert_eq!(refused.unwrap_err(), QueryError::NotFound("x".into()));

    let many = ctx((0..MAX_LIMIT + 5).map(|i| (7, format!("{i:05}"), i)));
    let (items, first) = page(&many, &request("", 0, u64::MAX, true, false), |_| true).unwrap();
    assert_eq!((items.len() as u64, first.total), (MAX_LIMIT, MAX_LIMIT + 5));
    assert_eq!(first.next_key, format!("{MAX_LIMIT:05}").as_bytes());
}

proptest! {
    /// Following `next_key`, or raising the offset, visits everything once and in order.
    #[test]
    fn pages_cover_the_list(names in prop::collection::btree_set("[a-c]{1,4}", 0..30), limit in 1_u64..6, reverse: bool, third: bool) {
        let keep = |v: u64| !third || v.is_multiple_of(3);
        let ctx = ctx(names.iter().zip(0..).map(|(n, v)| (7, n.clone(), v)));
        let mut want: Vec<u64> = (0..names.len() as u64).filter(|v| keep(*v)).collect();
        if reverse {
            want.reverse();
        }
        let (mut by_key, mut by_offset) = (Vec::new(), Vec::new());
        let mut next = PageRequest { limit, reverse, ..Default::default() };
        loop {
            let (items, page) = page(&ctx, &next, keep).unwrap();
            by_key.extend(items);
            if page.next_key.is_empty() { break; }
            next.key = page.next_key;
        }
        while by_offset.len() < want.len() {
            let request = PageRequest { limit, reverse, offset: by_offset.len() as u64, count_total: true, ..Default::default() };
            let (items, page) = page(&ctx, &request, keep).unwrap();
            prop_assert_eq!(page.total, want.len() as u64);
            by_offset.extend(items);
        }
        prop_assert_eq!(by_key, want.clone());
        prop_assert_eq!(by_offset, want);
    }
}
