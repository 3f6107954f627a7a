//! Pages of long lists, as the Cosmos SDK turns them (`types/query`, `Paginate` and `FilteredPaginate`).

use geodesic_proto::cosmos::base::query::v1beta1::{PageRequest, PageResponse};

use crate::ctx::Ctx;
use crate::error::QueryError;
use crate::item::{Codec, Key, Map};
use crate::store::{Range, prefix_end};

/// Entries of a page if the request does not say.
pub const DEFAULT_LIMIT: u64 = 100;

/// Most entries of a page. Clients that ask for "all" (`u64::MAX`) get so many and a `next_key`.
pub const MAX_LIMIT: u64 = 10_000;

/// What a request asks for, defaults filled in.
struct Page<'a> {
    key: &'a [u8],
    offset: u64,
    limit: u64,
    count_total: bool,
    reverse: bool,
}

impl<'a> Page<'a> {
    fn try_new(request: Option<&'a PageRequest>) -> Result<Self, QueryError> {
        let Some(r) = request else {
            let (limit, count_total) = (DEFAULT_LIMIT, true);
            return Ok(Self { key: &[], offset: 0, limit, count_total, reverse: false });
        };
        if r.offset > 0 && !r.key.is_empty() {
            let text = "invalid request, either offset or key is expected, got both";
            return Err(QueryError::InvalidArgument(text.to_owned()));
        }
        let limit = if r.limit == 0 { DEFAULT_LIMIT } else { r.limit.min(MAX_LIMIT) };
        // As in the SDK, a request without limit wants the total too; one by key never gets it.
        let count_total = (r.count_total || r.limit == 0) && r.key.is_empty();
        Ok(Self { key: &r.key, offset: r.offset, limit, count_total, reverse: r.reverse })
    }

    /// The keys with `prefix` from the request's key on, that one included.
    fn range(&self, prefix: &[u8]) -> Range {
        let from = [prefix, self.key].concat();
        let end = prefix_end(prefix);
        match (self.key.is_empty(), self.reverse) {
            (true, reverse) => Range { start: from, end, reverse },
            (false, false) => Range { start: from, end, reverse: false },
            (false, true) => {
                let after = [from.as_slice(), &[0]].concat();
                Range { start: prefix.to_vec(), end: Some(after), reverse: true }
            }
        }
    }
}

/// One page of the entries of `map` whose key begins with `part` (`&()` for all), and how to get the next.
///
/// `f` turns an entry into an item, or into `None` if it is not wanted; offset, limit and total count items only. It is also
/// called on entries before the page and, if the total is asked for, behind it. `next_key` is the store's key without the
/// prefix of the map and without `part`; empty on the last page. The limit is 100 if the request has none, and at most
/// [`MAX_LIMIT`]. The total is given if it is asked for, or if there is no limit, and there is no key in the request.
///
/// # Errors
/// [`QueryError::InvalidArgument`] if key and offset are both given; those of `f` and of the state.
pub fn paginate<K: Key, V, C: Codec<V>, P: Key, T>(
    ctx: &Ctx,
    map: &Map<K, V, C>,
    part: &P,
    request: Option<&PageRequest>,
    mut f: impl FnMut(K, V) -> Result<Option<T>, QueryError>,
) -> Result<(Vec<T>, PageResponse), QueryError> {
    let page = Page::try_new(request)?;
    let mut prefix = map.prefix_bytes().to_vec();
    part.write(&mut prefix);
    let end = page.offset.saturating_add(page.limit);

    let (mut items, mut hits, mut next_key) = (Vec::new(), 0_u64, Vec::new());
    for entry in map.walk(ctx, &page.range(&prefix))? {
        let (key, value) = entry?;
        let raw = map.key(&key);
        let raw = raw.get(prefix.len()..).unwrap_or_default();
        if !page.key.is_empty() && hits == page.limit {
            next_key = raw.to_vec();
            break;
        }
        let Some(item) = f(key, value)? else { continue };
        hits = hits.saturating_add(1);
        if hits > end {
            if next_key.is_empty() {
                next_key = raw.to_vec();
            }
            if !page.count_total {
                break;
            }
        } else if hits > page.offset {
            items.push(item);
        }
    }
    let total = if page.count_total { hits } else { 0 };
    Ok((items, PageResponse { next_key, total }))
}
